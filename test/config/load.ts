import { join } from 'node:path'
import t from 'tap'
import { loadCommandConfig, loadConfig, resolveConfig } from '../../src/config/load.ts'
import type { Config, ConfigInput } from '../../src/config/schema.ts'

function readFrom(files: Record<string, string>): (path: string) => string | undefined {
  return (path) => (Object.hasOwn(files, path) ? files[path] : undefined)
}

function loadText(text: string, env: Record<string, string> = {}): Config {
  return loadConfig({ path: 'c.yml', env, readFile: readFrom({ 'c.yml': text }) }).config
}

t.test('without a file the defaults are those of the registry:2 image', async (t) => {
  const { config, path, warnings } = loadConfig({ env: {}, readFile: readFrom({}) })
  t.equal(path, undefined)
  t.same(warnings, [])
  t.match(config, {
    version: '0.1',
    log: { level: 'info', formatter: 'text', accesslog: { disabled: false }, fields: { service: 'registry' } },
    storage: {
      filesystem: { rootdirectory: '/var/lib/registry' },
      delete: { enabled: false },
      maintenance: {
        uploadpurging: { enabled: true, age: 604_800_000, interval: 86_400_000, dryrun: false },
        readonly: { enabled: false },
      },
    },
    http: { addr: ':5000', net: 'tcp', prefix: '/', headers: { 'X-Content-Type-Options': ['nosniff'] } },
    health: { storagedriver: { enabled: true, interval: 10_000, threshold: 3 } },
    catalog: { maxentries: 1000 },
    tags: { maxtags: 1000 },
    access: { anonymous: 'none', admins: [] },
    limits: { manifestBytes: 4_194_304, loginQueue: 64, connections: 1024, idleTimeout: 60_000 },
  })
  t.same(config.auth, {})
  t.equal(config.http.tls, undefined)
  t.equal(config.http.host, undefined)
})

t.test('a file of only a version gives the same as no file', async (t) => {
  t.same(loadText('version: 0.1\n'), loadConfig({ env: {}, readFile: readFrom({}) }).config)
})

t.test('two configurations share nothing that can be changed', async (t) => {
  const one = resolveConfig({})
  one.http.headers['X-Content-Type-Options']?.push('changed')
  one.log.fields['service'] = 'changed'
  one.access.admins.push('changed')
  t.match(resolveConfig({}), {
    http: { headers: { 'X-Content-Type-Options': ['nosniff'] } },
    log: { fields: { service: 'registry' } },
    access: { admins: [] },
  })
  t.equal(resolveConfig({}).access.admins.length, 0)
})

t.test('the file that registry:2 carries in its image is taken without a warning', async (t) => {
  const text = `version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
`
  const { config, warnings } = loadConfig({ path: 'c.yml', env: {}, readFile: readFrom({ 'c.yml': text }) })
  t.same(warnings, [])
  t.same(config, resolveConfig({}))
})

const HERE = 'config.yml'
const STORAGE = 'storage/config.yml'
const V3 = '/etc/distribution/config.yml'
const V2 = '/etc/docker/registry/config.yml'

t.test('serve takes the first of argument, variable, ./config.yml and the places of both images', async (t) => {
  const all = { 'arg.yml': '', 'env.yml': '', [HERE]: '', [STORAGE]: '', [V3]: '', [V2]: '' }
  const env = { REGISTRY_CONFIGURATION_PATH: 'env.yml' }
  t.equal(loadConfig({ path: 'arg.yml', env, readFile: readFrom(all) }).path, 'arg.yml')
  t.equal(loadConfig({ env, readFile: readFrom(all) }).path, 'env.yml')
  t.equal(loadConfig({ env: { REGISTRY_CONFIGURATION_PATH: '' }, readFile: readFrom(all) }).path, HERE)
  t.equal(loadConfig({ env: {}, readFile: readFrom({ [STORAGE]: '', [V3]: '', [V2]: '' }) }).path, V3)
  t.equal(loadConfig({ env: {}, readFile: readFrom({ [STORAGE]: '', [V2]: '' }) }).path, V2)
  t.equal(loadConfig({ env: {}, readFile: readFrom({ [STORAGE]: '' }) }).path, undefined)
})

t.test('other commands look into the home and the checkout first, then where serve looks', async (t) => {
  const env = { REGISTRY_CONFIGURATION_PATH: 'env.yml' }
  const all = { 'arg.yml': '', 'env.yml': '', [HERE]: '', [STORAGE]: '', [V3]: '' }
  t.equal(loadCommandConfig({ path: 'arg.yml', env, readFile: readFrom(all) }).path, 'arg.yml')
  t.equal(loadCommandConfig({ env, readFile: readFrom(all) }).path, HERE)
  t.equal(loadCommandConfig({ env, readFile: readFrom({ 'env.yml': '', [STORAGE]: '' }) }).path, STORAGE)
  t.equal(loadCommandConfig({ env, readFile: readFrom({ 'env.yml': '', [V3]: '' }) }).path, 'env.yml')
  t.equal(loadCommandConfig({ env: {}, readFile: readFrom({ [V2]: '' }) }).path, V2)
})

t.test('a file that was named must exist', async (t) => {
  const missing = join(t.testdir(), 'none.yml')
  t.throws(() => loadConfig({ path: missing, env: {} }), {
    message: `there is no configuration file ${missing}`,
    hint: /tarn init/u,
  })
  t.throws(() => loadConfig({ env: { REGISTRY_CONFIGURATION_PATH: missing } }), {
    message: /named by REGISTRY_CONFIGURATION_PATH/u,
  })
})

t.test('a real file is read', async (t) => {
  const dir = t.testdir({ 'config.yml': 'http: {addr: "127.0.0.1:0"}\n' })
  const path = join(dir, 'config.yml')
  t.match(loadConfig({ path, env: {} }), { path, config: { http: { addr: '127.0.0.1:0' } } })
})

t.test('relative paths stay relative to the working directory', async (t) => {
  t.equal(loadText('storage: {filesystem: {rootdirectory: data}}').storage.filesystem.rootdirectory, 'data')
})

t.test('an embedder’s object is completed, its times are milliseconds', async (t) => {
  const config = resolveConfig({
    storage: { filesystem: { rootdirectory: '/data' } },
    limits: { idleTimeout: 1500 },
    auth: { htpasswd: { path: '/auth/htpasswd' } },
  })
  t.equal(config.limits.idleTimeout, 1500)
  t.same(config.auth.htpasswd, { realm: 'Registry Realm', path: '/auth/htpasswd' })
  t.same({ ...config, storage: 0, limits: 0, auth: 0 }, { ...resolveConfig({}), storage: 0, limits: 0, auth: 0 })
})

t.test('a resolved configuration resolves to itself', async (t) => {
  const config = loadText('http: {tls: {certificate: a, key: b}, secret: s}\nauth: {htpasswd: {path: p}}\n')
  t.same(resolveConfig(config), config)
})

function resolveWrong(input: unknown): () => Config {
  return () => resolveConfig(input as ConfigInput)
}

t.test('an embedder’s wrong or unknown key is an error that names it', async (t) => {
  t.throws(resolveWrong({ http: { adr: ':1' } }), { message: /^http\.adr: unknown key/u })
  t.throws(resolveWrong({ http: { addr: 5000 } }), { message: /^http\.addr: expected :PORT/u })
  t.throws(resolveWrong({ log: { level: () => 'info' } }), { message: /^log\.level: expected one of/u })
  t.throws(resolveWrong('config.yml'), { message: /expected an object/u })
})

t.test('a directory in the place of the file is said, with the file in it that was meant', async (t) => {
  const directory = t.testdir({ home: { 'config.yml': 'version: 0.1\n' }, empty: {} })
  const [home, empty] = [join(directory, 'home'), join(directory, 'empty')]
  t.throws(() => loadConfig({ path: home, env: {} }), {
    message: `${home} is a directory, not a configuration file`,
    hint: `did you mean ${join(home, 'config.yml')}?`,
  })
  t.throws(() => loadConfig({ path: empty, env: {} }), {
    message: `${empty} is a directory, not a configuration file`,
    hint: /^name the file itself/u,
  })
})
