import t from 'tap'
import type { LoadedConfig } from '../../src/config/load.ts'
import { loadConfig } from '../../src/config/load.ts'

function load(env: Record<string, string | undefined>, text = ''): LoadedConfig {
  return loadConfig({ path: 'c.yml', env, readFile: () => text })
}

t.test('the handbook’s line gives login and TLS, without a warning', async (t) => {
  const { config, warnings } = loadConfig({
    env: {
      REGISTRY_AUTH: 'htpasswd',
      REGISTRY_AUTH_HTPASSWD_REALM: 'Registry Realm',
      REGISTRY_AUTH_HTPASSWD_PATH: '/auth/htpasswd',
      REGISTRY_HTTP_TLS_CERTIFICATE: '/certs/example.com.crt',
      REGISTRY_HTTP_TLS_KEY: '/certs/example.com.key',
      PATH: '/bin',
    },
    readFile: () => undefined,
  })
  t.same(warnings, [])
  t.same(config.auth, { htpasswd: { realm: 'Registry Realm', path: '/auth/htpasswd' } })
  t.same(config.http.tls, {
    certificate: '/certs/example.com.crt',
    key: '/certs/example.com.key',
    clientcas: [],
    ciphersuites: [],
    minimumtls: 'tls1.2',
  })
  t.equal(config.http.addr, ':5000')
  t.equal(config.storage.filesystem.rootdirectory, '/var/lib/registry')
})

// Settings that need no more than "this variable (over this file) gives that configuration, and no warning".
const SETS: [name: string, env: Record<string, string>, file: string, expected: object][] = [
  ['a leaf over the file’s', { REGISTRY_LOG_LEVEL: 'error' }, 'log: {level: info}', { log: { level: 'error' } }],
  ['the level in any case', { REGISTRY_LOG_LEVEL: 'Debug' }, '', { log: { level: 'debug' } }],
  [
    'a leaf of a section that the file lacks',
    { REGISTRY_LOG_FORMATTER: 'json' },
    'version: 0.1',
    { log: { formatter: 'json' } },
  ],
  ['a duration', { REGISTRY_HTTP_DRAINTIMEOUT: '1m30s' }, '', { http: { draintimeout: 90_000 } }],
  ['an IPv6 address, which is no YAML', { REGISTRY_HTTP_ADDR: '[::1]:5000' }, '', { http: { addr: '[::1]:5000' } }],
  ['a section as YAML', { REGISTRY_STORAGE_DELETE: '{enabled: true}' }, '', { storage: { delete: { enabled: true } } }],
  [
    'read-only as JSON',
    { REGISTRY_STORAGE_MAINTENANCE_READONLY: '{"enabled":true}' },
    '',
    { storage: { maintenance: { readonly: { enabled: true } } } },
  ],
  [
    'read-only as a leaf, which distribution cannot',
    { REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: 'true' },
    '',
    { storage: { maintenance: { readonly: { enabled: true } } } },
  ],
  [
    'purging as a leaf, which distribution cannot',
    { REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED: 'false' },
    'storage: {maintenance: {uploadpurging: {age: 1h}}}',
    { storage: { maintenance: { uploadpurging: { enabled: false, age: 3_600_000 } } } },
  ],
  [
    'a header, its dashes kept',
    { 'REGISTRY_HTTP_HEADERS_X-Foo': '[bar]' },
    'http: {headers: {X-A: [b]}}',
    { http: { headers: { 'X-A': ['b'], 'x-foo': ['bar'] } } },
  ],
  [
    'a header that the file spells in another case',
    { 'REGISTRY_HTTP_HEADERS_X-FOO': '[bar]' },
    'http: {headers: {X-Foo: [old]}}',
    { http: { headers: { 'X-Foo': ['bar'] } } },
  ],
  ['a log field', { REGISTRY_LOG_FIELDS_ENVIRONMENT: 'prod' }, '', { log: { fields: { environment: 'prod' } } }],
  [
    'a log field that the file spells in another case',
    { REGISTRY_LOG_FIELDS_SERVICE: 'new' },
    'log: {fields: {Service: old}}',
    { log: { fields: { Service: 'new' } } },
  ],
  ['a list as YAML', { REGISTRY_ACCESS_ADMINS: '[ann, bob]' }, '', { access: { admins: ['ann', 'bob'] } }],
  [
    'a list item by index',
    { REGISTRY_ACCESS_ADMINS_1: 'eve' },
    'access: {admins: [ann, bob]}',
    { access: { admins: ['ann', 'eve'] } },
  ],
  [
    'list items appended one by one',
    { REGISTRY_ACCESS_ADMINS_0: 'ann', REGISTRY_ACCESS_ADMINS_1: 'bob' },
    '',
    { access: { admins: ['ann', 'bob'] } },
  ],
  [
    'a member of a list’s item',
    { REGISTRY_HEALTH_FILE_0_FILE: '/f', REGISTRY_HEALTH_FILE_0_INTERVAL: '5s' },
    '',
    { health: { file: [{ file: '/f', interval: 5000 }] } },
  ],
  ['Go’s name FileCheckers', { REGISTRY_HEALTH_FILECHECKERS_0_FILE: '/f' }, '', { health: { file: [{ file: '/f' }] } }],
  [
    'Go’s name HTTPCheckers',
    { REGISTRY_HEALTH_HTTPCHECKERS: '[{uri: http://h}]' },
    '',
    { health: { http: [{ uri: 'http://h' }] } },
  ],
  ['Go’s name TCPCheckers', { REGISTRY_HEALTH_TCPCHECKERS_0_ADDR: 'h:1' }, '', { health: { tcp: [{ addr: 'h:1' }] } }],
  ['a setting of ours', { REGISTRY_ACCESS_ANONYMOUS: 'pull' }, '', { access: { anonymous: 'pull' } }],
  ['a setting of ours in camel case', { REGISTRY_LIMITS_LOGINQUEUE: '9' }, '', { limits: { loginQueue: 9 } }],
  [
    'a driver and its parameter together',
    { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/d', REGISTRY_STORAGE: 'filesystem' },
    'storage: {s3: {bucket: b}}',
    { storage: { filesystem: { rootdirectory: '/d' } } },
  ],
  [
    'the whole storage section',
    { REGISTRY_STORAGE: 'filesystem' },
    'storage: {filesystem: {rootdirectory: /d}, delete: {enabled: true}}',
    { storage: { filesystem: { rootdirectory: '/var/lib/registry' }, delete: { enabled: false } } },
  ],
  [
    'a path of login over the file’s one-word section',
    { REGISTRY_AUTH_HTPASSWD_PATH: '/p' },
    'auth: htpasswd',
    { auth: { htpasswd: { realm: 'Registry Realm', path: '/p' } } },
  ],
  [
    'a map of distribution in any case',
    { REGISTRY_STORAGE_Delete_enabled: 'true' },
    '',
    { storage: { delete: { enabled: true } } },
  ],
  ['no login', { REGISTRY_AUTH: 'none' }, 'auth: {htpasswd: {path: p}}', { auth: {} }],
  [
    'the default again by an empty value',
    { REGISTRY_LOG_LEVEL: '' },
    'log: {level: debug}',
    { log: { level: 'info' } },
  ],
  ['the cache that Tarn does not need', { REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR: 'inmemory' }, '', {}],
]
for (const [name, env, file, expected] of SETS) {
  t.test(`a variable sets ${name}`, async (t) => {
    const { config, warnings } = load(env, file)
    t.same(
      warnings.filter((line) => !line.endsWith('not supported yet, ignored')),
      [],
    )
    t.match(config, expected)
  })
}

t.test('a header of a variable joins those of the image’s own file', async (t) => {
  const { config } = loadConfig({ env: { 'REGISTRY_HTTP_HEADERS_X-Foo': '[bar]' }, readFile: () => undefined })
  t.same(config.http.headers, { 'X-Content-Type-Options': ['nosniff'], 'x-foo': ['bar'] })
})

t.test('the older log level counts only where the newer is not set', async (t) => {
  t.equal(load({ REGISTRY_LOGLEVEL: 'error' }, 'log: {level: debug}').config.log.level, 'debug')
  t.equal(load({ REGISTRY_LOGLEVEL: 'error' }).config.log.level, 'error')
})

const TEXTS = [
  '@abc',
  '%x',
  '`x',
  'a: b',
  '- a',
  '*x',
  '&x',
  '!foo bar',
  '#x',
  '{a',
  '[b]',
  '>',
  '|',
  '0123',
  'yes',
  '1e3',
  '0x1F',
]
for (const text of TEXTS) {
  t.test(`the secret ${text} is taken as it stands, though YAML says otherwise`, async (t) => {
    t.equal(load({ REGISTRY_HTTP_SECRET: text }).config.http.secret, text)
  })
}

t.test('quotes of YAML are taken off, and an empty text is no text', async (t) => {
  t.equal(load({ REGISTRY_HTTP_SECRET: '"a b"' }).config.http.secret, 'a b')
  for (const text of ['', '""', '~', ' ']) t.equal(load({ REGISTRY_HTTP_SECRET: text }).config.http.secret, undefined)
})

const WARNED: [name: string, variable: string, warning: string][] = [
  ['an unknown section', 'REGISTRY_DUCKS', 'REGISTRY_DUCKS: names no setting, ignored'],
  ['an unknown key', 'REGISTRY_HTTP_ADR', 'REGISTRY_HTTP_ADR: names no setting, ignored'],
  ['a name that goes on below a leaf', 'REGISTRY_HTTP_ADDR_X', 'REGISTRY_HTTP_ADDR_X: names no setting, ignored'],
  ['a struct of distribution in lower case', 'REGISTRY_http_addr', 'REGISTRY_http_addr: names no setting, ignored'],
  ['an empty segment', 'REGISTRY__ADDR', 'REGISTRY__ADDR: names no setting, ignored'],
  ['the bare prefix', 'REGISTRY_', 'REGISTRY_: names no setting, ignored'],
  ['a Service link', 'REGISTRY_PORT_5000_TCP', 'REGISTRY_PORT_5000_TCP: set by Kubernetes for a Service, ignored'],
  ['a Service link below auth', 'REGISTRY_AUTH_PORT', 'REGISTRY_AUTH_PORT: set by Kubernetes for a Service, ignored'],
  [
    'events, under Go’s name',
    'REGISTRY_NOTIFICATIONS_EVENTCONFIG_INCLUDEREFERENCES',
    'REGISTRY_NOTIFICATIONS_EVENTCONFIG_INCLUDEREFERENCES: notifications: not',
  ],
  [
    'mail options, under Go’s name',
    'REGISTRY_LOG_HOOKS_0_MAILOPTIONS_FROM',
    'REGISTRY_LOG_HOOKS_0_MAILOPTIONS_FROM: log.hooks: ignored',
  ],
  ['redis', 'REGISTRY_REDIS_ADDR', 'REGISTRY_REDIS_ADDR: redis: ignored'],
  ['reporting', 'REGISTRY_REPORTING_BUGSNAG_APIKEY', 'REGISTRY_REPORTING_BUGSNAG_APIKEY: reporting: ignored'],
]
for (const [name, variable, warning] of WARNED) {
  t.test(`a variable only warns: ${name}`, async (t) => {
    const { config, warnings } = load({ [variable]: 'hunter2' })
    t.equal(warnings.length, 1)
    t.ok(warnings[0]?.startsWith(warning), warnings[0] ?? 'nothing')
    t.notMatch(warnings[0], 'hunter2')
    t.same(config, load({}).config)
  })
}

t.test('what Kubernetes sets for a Service called registry is one warning', async (t) => {
  const env = {
    REGISTRY_PORT: 'tcp://10.0.0.1:5000',
    REGISTRY_PORT_5000_TCP: 'tcp://10.0.0.1:5000',
    REGISTRY_PORT_5000_TCP_ADDR: '10.0.0.1',
    REGISTRY_PORT_5000_TCP_PORT: '5000',
    REGISTRY_PORT_5000_TCP_PROTO: 'tcp',
    REGISTRY_SERVICE_HOST: '10.0.0.1',
    REGISTRY_SERVICE_PORT: '5000',
    REGISTRY_SERVICE_PORT_HTTPS: '5000',
  }
  t.equal(load(env).warnings.length, 1)
})

t.test('variables of others, and those that are no settings, are left alone without a word', async (t) => {
  const env = {
    registry_LOG_LEVEL: 'x',
    REPORTING_NEWRELIC: 'x',
    REGISTRYX: 'x',
    REGISTRY_VERSION: '2.8.3',
    REGISTRY_HTTP_ADDR: undefined,
  }
  t.same(load(env), load({}))
})
