import { createServer as createHttpServer, request } from 'node:http'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { describeOpenness } from '../../src/cli/serve.ts'
import { resolveConfig } from '../../src/config/load.ts'
import { openClient } from '../helpers/client.ts'
import { PASSWORD, USERNAME, makeLogin, makeTls } from '../helpers/login.ts'
import { LOCAL, hear, serveConfig, startServing, writeConfig } from '../helpers/serving.ts'
import { runTarn } from '../helpers/tarn.ts'

/** A configuration with a unix socket, under a path that is short enough for one (107 bytes). */
function writeWithSocket(t: Test): { directory: string; path: string; ask: () => Promise<number> } {
  const directory = mkdtempSync(join(tmpdir(), 'tarn-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'socket')
  const ask = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const asking = request({ socketPath: path, path: '/v2/', agent: false })
      asking.once('response', (response) => resolve(response.resume().statusCode ?? 0))
      asking.once('error', reject).end()
    })
  return { directory: writeConfig(t, 'http: {net: unix, addr: ./socket}\n', directory), path, ask }
}

t.test('its first line is where it listens, and nothing else goes to stdout', async (t) => {
  const serving = await serveConfig(t, writeConfig(t))
  t.match(serving.url, /^http:\/\/127\.0\.0\.1:\d+$/)
  t.equal((await fetch(`${serving.url}/v2/`)).status, 200)
  t.equal(await serving.end('SIGTERM'), 0)
  t.equal(serving.stdout(), `listening on ${serving.url}\n`)
})

t.test('--listen goes before http.addr; without it http.addr counts', async (t) => {
  const serving = await startServing(t, writeConfig(t, 'http: {addr: "127.0.0.1:0"}\n'), ['serve', 'config.yml'])
  t.match(serving.url, /^http:\/\/127\.0\.0\.1:\d+$/)
  t.not(serving.url, 'http://127.0.0.1:0')
  const other = await startServing(t, writeConfig(t, 'http: {addr: "nowhere.invalid:1"}\n'), [
    'serve',
    'config.yml',
    ...LOCAL,
  ])
  t.equal((await fetch(`${other.url}/v2/`)).status, 200)
})

t.test('without a host it listens on all addresses', async (t) => {
  const serving = await startServing(t, writeConfig(t), ['serve', 'config.yml', '--listen', ':0'])
  t.match(serving.url, /^http:\/\/localhost:\d+$/)
  t.equal((await fetch(`http://127.0.0.1:${new URL(serving.url).port}/v2/`)).status, 200)
})

t.test('it serves on a unix socket, also where a crash left one, and takes it away at the end', async (t) => {
  const { directory, path, ask } = writeWithSocket(t)
  const first = await startServing(t, directory, ['serve', 'config.yml'])
  t.equal(first.url, 'unix:./socket')
  t.equal(await ask(), 200)
  await first.end('SIGKILL')
  t.ok(statSync(path).isSocket(), 'left behind')
  const second = await startServing(t, directory, ['serve', 'config.yml'])
  t.equal(await ask(), 200)
  t.equal(await second.end('SIGTERM'), 0)
  t.notOk(existsSync(path))
  writeFileSync(path, 'somebody’s file')
  const refused = await runTarn(directory, ['serve', 'config.yml'])
  t.equal(refused.code, 1)
  t.match(refused.stderr, /error: .*\nhint: /)
  t.ok(statSync(path).isFile(), 'is left alone')
})

t.test('a socket on which another server listens is not taken from it', async (t) => {
  const { directory, ask } = writeWithSocket(t)
  const first = await startServing(t, directory, ['serve', 'config.yml'])
  const refused = await runTarn(directory, ['serve', 'config.yml'])
  t.equal(refused.code, 1)
  t.match(refused.stderr, /error: .*EADDRINUSE.*\nhint: another program listens there/)
  t.equal(await ask(), 200)
  t.equal(await first.end('SIGTERM'), 0)
})

t.test('a port that is in use is one error with a hint, and the lock is free again', async (t) => {
  const taken = createServer()
  taken.listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const directory = writeConfig(t)
  const { code, stdout, stderr } = await runTarn(directory, ['serve', 'config.yml', '--listen', `127.0.0.1:${port}`])
  t.equal(code, 1)
  t.equal(stdout, '')
  t.match(stderr, /^error: listen EADDRINUSE.*\nhint: another program listens there; .*--listen/m)
  t.equal(stderr.match(/^error:/gm)?.length, 1)
  t.notOk(existsSync(join(directory, 'data/.tarn/keeper.json')))
})

for (const [what, more, args, code, words] of [
  ['a key of another type', 'http: {addr: [1]}\n', [], 1, /^error: config\.yml:3: http\.addr: .*\nhint: .+\n$/],
  [
    'a missing htpasswd',
    'auth: {htpasswd: {realm: x, path: /nowhere/htpasswd}}\n',
    [],
    1,
    /^error: there is no htpasswd file at \/nowhere\/htpasswd\nhint: .*tarn user add.*\n$/,
  ],
  [
    'a missing certificate',
    'http: {tls: {certificate: /nowhere/c, key: /nowhere/k}}\n',
    [],
    1,
    /^error: cannot read the TLS certificate \/nowhere\/c: ENOENT\nhint: .+\n$/,
  ],
  [
    'an address that is none',
    '',
    ['--listen', 'x:y:z'],
    2,
    /^error: cannot listen on x:y:z\nhint: write HOST:PORT.*\n$/,
  ],
  [
    'a port that is none',
    '',
    ['--listen', '127.0.0.1:99999'],
    2,
    /^error: cannot listen on 127\.0\.0\.1:99999\nhint: write HOST:PORT.*\n$/,
  ],
] as const) {
  t.test(`${what} is one error, one hint and exit code ${code}`, async (t) => {
    const ran = await runTarn(writeConfig(t, more), ['serve', 'config.yml', ...args])
    t.equal(ran.code, code)
    t.equal(ran.stdout, '')
    t.match(ran.stderr, words)
  })
}

t.test('a configuration that is not there, and a data directory that cannot be made, are said', async (t) => {
  const directory = t.testdir({ file: '' })
  const missing = await runTarn(directory, ['serve', 'none.yml'])
  t.equal(missing.code, 1)
  t.match(missing.stderr, /^error: there is no configuration file none\.yml\nhint: .+\n$/)
  writeFileSync(
    join(directory, 'config.yml'),
    `version: 0.1\nstorage: {filesystem: {rootdirectory: ${directory}/file/data}}\n`,
  )
  const impossible = await runTarn(directory, ['serve', 'config.yml'])
  t.equal(impossible.code, 1)
  t.match(impossible.stderr, /^error: .*\/file\b.*\n(hint: .+\n)?$/)
})

t.test('--print-config prints what counts, secrets masked, and serves nothing', async (t) => {
  const directory = writeConfig(t, 'http: {secret: canary-1a2b}\nunknownkey: 1\n')
  const { code, stdout, stderr } = await runTarn(directory, ['serve', 'config.yml', '--print-config'])
  t.equal(code, 0)
  t.match(stdout, `rootdirectory: ${join(directory, 'data')}`)
  t.match(stdout, /^limits:$/m)
  t.notMatch(stdout + stderr, 'canary-1a2b')
  t.match(stderr, /^warning: .*unknownkey/m)
  t.notOk(existsSync(join(directory, 'data')))
})

t.test('variables of registry:2 change the file', async (t) => {
  const directory = writeConfig(t, 'http: {addr: "nowhere.invalid:1"}\n')
  const serving = await startServing(t, directory, ['serve', 'config.yml'], {
    REGISTRY_HTTP_ADDR: '127.0.0.1:0',
    REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: join(directory, 'other'),
  })
  t.equal((await fetch(`${serving.url}/v2/`)).status, 200)
  t.ok(existsSync(join(directory, 'other/.tarn')))
})

t.test('a second server on the same directory says who keeps it and serves what is there', async (t) => {
  const directory = writeConfig(t)
  const first = await serveConfig(t, directory)
  const second = await serveConfig(t, directory)
  await hear(second, `process ${first.child.pid} keeps this data directory`)
  t.equal((await fetch(`${second.url}/v2/a/blobs/uploads/`, { method: 'POST' })).status, 405)
  await first.end('SIGKILL')
  await hear(second, 'this process keeps the data directory now')
  t.equal((await fetch(`${second.url}/v2/a/blobs/uploads/`, { method: 'POST' })).status, 202)
})

t.test('over TLS it says https, and a login never gets into its log', async (t) => {
  const directory = writeConfig(t)
  const { tls, ca } = makeTls(directory)
  makeLogin(directory)
  writeFileSync(
    join(directory, 'config.yml'),
    `version: 0.1
log: {level: debug}
storage: {filesystem: {rootdirectory: ${join(directory, 'data')}}}
auth: {htpasswd: {realm: x, path: ${join(directory, 'htpasswd')}}}
http: {tls: {certificate: ${tls.certificate}, key: ${tls.key}}}
`,
  )
  const serving = await serveConfig(t, directory)
  t.match(serving.url, /^https:/)
  for (const password of [PASSWORD, 'canary-9c4d']) {
    const client = openClient({ url: serving.url, username: USERNAME, password, ca })
    t.equal((await client.send('GET', '/v2/')).status, password === PASSWORD ? 200 : 401)
    client.close()
  }
  await serving.end('SIGTERM')
  const said = serving.stdout() + serving.stderr()
  t.match(said, 'status=401')
  for (const secret of [
    PASSWORD,
    'canary-9c4d',
    'uthorization',
    Buffer.from(`${USERNAME}:`).toString('base64').slice(0, 6),
  ]) {
    t.notOk(said.includes(secret), 'a secret is in the log')
  }
})

t.test('it opens no connection of its own', async (t) => {
  let met = 0
  const trap = createHttpServer((_request, response) => response.end())
  trap.on('connection', () => (met += 1))
  trap.listen(0, '127.0.0.1')
  await once(trap, 'listening')
  t.teardown(() => trap.close())
  const proxy = `http://127.0.0.1:${(trap.address() as AddressInfo).port}`
  const env = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, http_proxy: proxy, https_proxy: proxy, NODE_USE_ENV_PROXY: '1' }
  const serving = await startServing(t, writeConfig(t), ['serve', 'config.yml', ...LOCAL], env)
  t.equal((await fetch(`${serving.url}/v2/library/alpine/manifests/latest`)).status, 404)
  t.equal(met, 0)
})

t.test('--offline is in the printed configuration where a mirror is, and changes no other', async (t) => {
  const mirror = writeConfig(t, 'mirror: {anonymous: true, upstreams: well-known}\n')
  const print = async (directory: string, ...more: string[]): Promise<string> =>
    (await runTarn(directory, ['serve', 'config.yml', '--print-config', ...more])).stdout
  t.match(await print(mirror), /\n {2}offline: false\n/)
  t.match(await print(mirror, '--offline'), /\n {2}offline: true\n/)
  const plain = writeConfig(t)
  t.equal(await print(plain, '--offline'), await print(plain))
})

t.test('a mirror without login does not start, and says what to write', async (t) => {
  const run = await runTarn(writeConfig(t, 'mirror: {upstreams: well-known}\n'), ['serve', 'config.yml', ...LOCAL])
  t.equal(run.code, 1)
  t.match(run.stderr, 'error: config.yml:3: mirror: nobody needs a login, so everybody could fetch')
  t.match(run.stderr, 'hint: set auth.htpasswd')
})

t.test('a registry without login says at each start that everybody may push', async (t) => {
  const directory = writeConfig(t)
  for (let i = 0; i < 2; i += 1) {
    const serving = await serveConfig(t, directory)
    await serving.end('SIGTERM')
    t.match(serving.stderr(), 'nobody needs a login: everybody who reaches this address may push')
  }
})

t.test('what everybody may do is said as it is, and nothing with a login or client certificates', (t) => {
  const tls = { certificate: 'c', key: 'k' }
  for (const [input, acts] of [
    [{}, 'push;'],
    [{ storage: { delete: { enabled: true } } }, 'push and delete;'],
    [{ storage: { maintenance: { readonly: { enabled: true } } } }, 'pull;'],
    [{ http: { tls } }, 'push;'],
    [{ http: { tls: { ...tls, clientcas: ['a'] } } }, undefined],
    [{ auth: { htpasswd: { path: 'p' } } }, undefined],
    [{ proxy: { remoteurl: 'https://registry.example.com' } }, 'pull;'],
    [{ mirror: { anonymous: true } }, 'push;'],
  ] as const) {
    const said = describeOpenness(resolveConfig(input))
    if (acts === undefined) t.equal(said, undefined)
    else t.match(said, `everybody who reaches this address may ${acts}`)
  }
  t.end()
})

t.test('a directory in the place of its configuration, and a file in the place of its data, are said', async (t) => {
  const directory = writeConfig(t)
  const named = await runTarn(directory, ['serve', '.'])
  t.equal(named.stderr, 'error: . is a directory, not a configuration file\nhint: did you mean config.yml?\n')
  writeFileSync(join(directory, 'data'), '')
  const file = await runTarn(directory, ['serve', 'config.yml'])
  t.equal(file.code, 1)
  t.match(file.stderr, /error: EEXIST.*\nhint: a file stands where a directory must be; .*\/data, /)
})
