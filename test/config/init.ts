import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { makeHome, withLoopback } from '../../src/config/init.ts'
import { loadConfig } from '../../src/config/load.ts'

function optionsOf(t: Test) {
  const directory = join(t.testdir(), 'home')
  return {
    directory,
    configFile: join(directory, 'config.yml'),
    dataDirectory: join(directory, 'data'),
    authDirectory: join(directory, 'auth'),
    certsDirectory: join(directory, 'certs'),
    hosts: ['registry.example.com'],
    user: 'david',
    password: 'secret',
    port: 5000,
    clock: Date.now,
    random: randomBytes,
  }
}

t.test('the configuration that it writes is one that loads, with absolute paths and deletion on', async (t) => {
  const options = optionsOf(t)
  await makeHome(options)
  const { config, warnings } = loadConfig({ path: options.configFile, env: {} })
  t.same(warnings, [])
  t.equal(config.storage.filesystem.rootdirectory, options.dataDirectory)
  t.equal(config.storage.delete.enabled, true)
  t.equal(config.auth.htpasswd?.path, join(options.authDirectory, 'htpasswd'))
  t.equal(config.http.tls?.certificate, join(options.certsDirectory, 'server.crt'))
  t.equal(config.http.tls?.key, join(options.certsDirectory, 'server.key'))
  t.equal(config.http.addr, ':5000')
  t.equal(config.mirror?.upstreams, 'well-known')
  t.match(readFileSync(options.configFile, 'utf8'), /\nmirror:\n {2}upstreams: well-known\n$/, 'the mirror is last')
  // distribution wants its version as it is written there, and knows no further key under storage.
  t.match(readFileSync(options.configFile, 'utf8'), /^version: 0\.1$/m)
})

t.test('gives what it made, and nothing on a second run', async (t) => {
  const options = optionsOf(t)
  const { created } = await makeHome(options)
  for (const path of created) t.ok(existsSync(path), path)
  t.equal(created.at(-1), options.configFile, 'the configuration is last')
  t.same(await makeHome(options), { created: [] })
})

t.test('makes each missing piece again and keeps all others', async (t) => {
  const options = optionsOf(t)
  await makeHome(options)
  const certs = options.certsDirectory
  for (const [gone, made] of [
    [[join(options.authDirectory, 'htpasswd')], [join(options.authDirectory, 'htpasswd')]],
    [[options.configFile], [options.configFile]],
    [[join(certs, 'server.crt')], [join(certs, 'server.crt')]],
    [
      [join(certs, 'server.crt'), join(certs, 'server.key')],
      [join(certs, 'server.key'), join(certs, 'server.crt')],
    ],
    // A crash between the key and the certificate of the authority leaves this.
    [
      [join(certs, 'ca.crt'), join(certs, 'server.crt'), join(certs, 'server.key')],
      [join(certs, 'ca.crt'), join(certs, 'server.key'), join(certs, 'server.crt')],
    ],
  ] as const) {
    for (const path of gone) rmSync(path)
    t.same(await makeHome(options), { created: made })
  }
})

t.test('needs no authority where a server certificate is', async (t) => {
  const options = optionsOf(t)
  await makeHome(options)
  rmSync(join(options.certsDirectory, 'ca.key'))
  t.same(await makeHome(options), { created: [] })
})

t.test('does not sign with an authority whose key is gone, and does not replace it', async (t) => {
  const options = optionsOf(t)
  await makeHome(options)
  for (const name of ['ca.key', 'server.crt', 'server.key']) rmSync(join(options.certsDirectory, name))
  const before = readFileSync(join(options.certsDirectory, 'ca.crt'), 'utf8')
  await t.rejects(makeHome(options), { message: /ca\.key is not$/, hint: /restore/ })
  t.equal(readFileSync(join(options.certsDirectory, 'ca.crt'), 'utf8'), before)
})

t.test('makes nothing for a user, password or host that cannot be', async (t) => {
  const options = optionsOf(t)
  await t.rejects(makeHome({ ...options, user: 'a:b' }), /name of a user/)
  await t.rejects(makeHome({ ...options, password: 'x'.repeat(73) }), /password cannot/)
  await t.rejects(makeHome({ ...options, password: '' }), /password cannot/)
  await t.rejects(makeHome({ ...options, hosts: ['a:5000'] }), /not a host name/)
  t.notOk(existsSync(options.directory))
})

t.test('never follows nor replaces what stands in the place of a file', async (t) => {
  const options = optionsOf(t)
  mkdirSync(options.authDirectory, { recursive: true })
  const path = join(options.authDirectory, 'htpasswd')
  writeFileSync(path, '# mine\n', { mode: 0o640 })
  await makeHome(options)
  t.equal(readFileSync(path, 'utf8'), '# mine\n')
  t.equal(statSync(path).mode & 0o777, 0o640)
})

t.test('the names of the machine itself are always in the certificate, each once', (t) => {
  t.same(withLoopback(['LOCALHOST', 'a.example', 'a.example']), ['localhost', 'a.example', '127.0.0.1', '::1'])
  t.end()
})

t.test('says that the user exists before anything else can fail, and not when there was one', async (t) => {
  const options = optionsOf(t)
  const known: string[] = []
  const onUser = (): void => void known.push(readFileSync(join(options.authDirectory, 'htpasswd'), 'utf8').slice(0, 6))
  // A certificate without its key stops what comes after the user.
  mkdirSync(options.certsDirectory, { recursive: true })
  writeFileSync(join(options.certsDirectory, 'server.crt'), 'mine')
  await t.rejects(makeHome({ ...options, onUser }), /its key/)
  t.same(known, ['david:'])
  await t.rejects(makeHome({ ...options, onUser }), /its key/)
  t.equal(known.length, 1)
})
