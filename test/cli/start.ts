import { randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { hostname } from 'node:os'
import { PassThrough } from 'node:stream'
import { compareSync } from 'bcryptjs'
import { existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runProgram } from '../../src/cli/program.ts'
import { findCheckout } from '../../src/cli/start.ts'
import { openClient } from '../helpers/client.ts'
import { startServing } from '../helpers/serving.ts'
import { runTarn } from '../helpers/tarn.ts'

const FILES = [
  'auth/htpasswd',
  'certs/ca.crt',
  'certs/ca.key',
  'certs/server.crt',
  'certs/server.key',
  'storage/config.yml',
]
const ARGS = ['start', '--home', '.', '--listen', '127.0.0.1:0']

t.test('the first start makes a home and serves it; the second keeps every file', async (t) => {
  const home = t.testdir({})
  const first = await startServing(t, home, ARGS)
  const passwordFile = join(home, 'auth/initial-password')
  while (!first.stdout().includes('curl ')) await new Promise((resolve) => setTimeout(resolve, 5))
  const said = first.stdout()
  t.match(first.url, /^https:\/\/127\.0\.0\.1:\d+$/)
  for (const file of FILES) t.match(said, join(home, file), `it says that it made ${file}`)
  t.match(said, `password in ${passwordFile}`)
  t.match(said, '/etc/containers/certs.d/localhost:')
  t.match(said, 'update-ca-certificates')

  t.equal(statSync(passwordFile).mode & 0o777, 0o600)
  const password = readFileSync(passwordFile, 'utf8').trim()
  t.ok(compareSync(password, readFileSync(join(home, 'auth/htpasswd'), 'utf8').trim().split(':')[1] ?? ''))
  t.notOk((said + first.stderr()).includes(password), 'the password is in no output')

  const ca = readFileSync(join(home, 'certs/ca.crt'), 'utf8')
  const client = openClient({ url: first.url.replace('127.0.0.1', 'localhost'), username: 'admin', password, ca })
  t.equal((await client.send('GET', '/v2/')).status, 200)
  t.equal((await client.send('POST', '/v2/a/blobs/uploads/')).status, 202)
  client.close()
  t.ok(existsSync(join(home, 'storage/data/docker')))
  t.equal(await first.end('SIGTERM'), 0)

  const texts = FILES.map((file) => readFileSync(join(home, file), 'utf8'))
  rmSync(passwordFile)
  const second = await startServing(t, home, ARGS)
  while (!second.stdout().includes('curl ')) await new Promise((resolve) => setTimeout(resolve, 5))
  t.same(
    FILES.map((file) => readFileSync(join(home, file), 'utf8')),
    texts,
  )
  t.notMatch(second.stdout(), /password|^made /m)
  t.notOk(existsSync(passwordFile))
  t.equal(await second.end('SIGTERM'), 0)

  rmSync(join(home, 'auth/htpasswd'))
  const refused = await runTarn(home, ARGS)
  t.equal(refused.code, 1)
  t.match(refused.stderr, /^error: there is no htpasswd file at .*\/auth\/htpasswd\nhint: .*tarn user add/)
  t.notOk(existsSync(join(home, 'auth/htpasswd')), 'it does not make another by itself')
})

t.test('a home that was made halfway is finished, with what is there', async (t) => {
  const home = t.testdir({})
  const init = [
    'init',
    '.',
    '--config',
    'storage/config.yml',
    '--data',
    'storage/data',
    '--host',
    'x',
    '--user',
    'eve',
    '--password-stdin',
  ]
  t.equal((await runTarn(home, init, 'secret')).code, 0)
  const htpasswd = readFileSync(join(home, 'auth/htpasswd'), 'utf8')
  rmSync(join(home, 'storage/config.yml'))
  const serving = await startServing(t, home, ARGS)
  t.equal(readFileSync(join(home, 'auth/htpasswd'), 'utf8'), htpasswd)
  t.same(readdirSync(join(home, 'auth')), ['htpasswd'], 'no password that opens nothing')
  t.notMatch(serving.stdout(), /password/)
})

t.test('variables and stray configurations of the machine do not lead it elsewhere', async (t) => {
  const home = t.testdir({ 'config.yml': 'version: 0.1\nstorage: {s3: {}}\n' })
  const serving = await startServing(t, home, ARGS, { REGISTRY_CONFIGURATION_PATH: '/nowhere/config.yml' })
  t.match(serving.url, /^https:/)
})

t.test('a terminal has the password also when the first start fails, and so has the file elsewhere', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const listen = ['--listen', `127.0.0.1:${(taken.address() as AddressInfo).port}`]
  for (const isTTY of [true, false]) {
    const home = t.testdir({})
    const [stdin, stdout, stderr] = [new PassThrough(), Object.assign(new PassThrough(), { isTTY }), new PassThrough()]
    const context = { stdin, stdout, stderr, clock: Date.now, random: randomBytes }
    t.equal(await runProgram(['start', '--home', home, ...listen], context), 1)
    t.match(String(stderr.read()), /^error: listen EADDRINUSE/)
    const said = String(stdout.read())
    const shown = /^user admin, password (\S+) .*\nmade /.exec(said)?.[1]
    const file = join(home, 'auth/initial-password')
    if (!isTTY) t.match(said, `user admin, first password in ${file} `)
    const password = shown ?? readFileSync(file, 'utf8').trim()
    t.equal(existsSync(file), !isTTY)
    t.equal(shown !== undefined, isTTY)
    t.ok(compareSync(password, readFileSync(join(home, 'auth/htpasswd'), 'utf8').trim().split(':')[1] ?? ''))
    if (isTTY) continue
    // Whoever missed it then is told again, until the file is removed.
    const serving = await startServing(t, home, ARGS)
    while (!serving.stdout().includes('curl ')) await new Promise((resolve) => setTimeout(resolve, 5))
    t.match(serving.stdout(), `first password in ${file} `)
    t.notMatch(serving.stdout(), 'On other machines', 'it listens on loopback only')
  }
})

t.test('a registry that others reach is named as they must name it', async (t) => {
  const home = t.testdir({})
  const serving = await startServing(t, home, ['start', '--home', '.', '--listen', ':0'])
  const { port } = new URL(serving.url)
  // When it is over everything that it said is here.
  await serving.end('SIGTERM')
  const line = /^On other machines write (\S+) for localhost:(\d+)\.$/m.exec(serving.stdout())
  const outer = new X509Certificate(readFileSync(join(home, 'certs/server.crt'))).subjectAltName
    ?.replaceAll(/(?:DNS|IP Address):/g, '')
    .split(', ')
    .filter((name) => !/^(?:localhost|127\.0\.0\.1|0:0:0:0:0:0:0:1)$/.test(name))
  if (outer?.length === 0) t.equal(line, null, 'a machine that has no name but localhost')
  else t.same([line?.[1], line?.[2]], [`${hostname().toLowerCase()}:${port}`, port])
  t.equal(serving.stdout().match(/Clients trust it/g)?.length, 1)
})

t.test('an installed package is no place for a home', (t) => {
  t.equal(findCheckout('/opt/tarn/'), '/opt/tarn/')
  t.throws(() => findCheckout('/srv/app/node_modules/tarn/'), { hint: /tarn start --home DIR$/, exitCode: 2 } as never)
  t.end()
})
