import t from 'tap'
import { findNearest } from '../../src/config/check.ts'
import { ConfigError } from '../../src/config/config-error.ts'
import type { LoadedConfig } from '../../src/config/load.ts'
import { loadConfig } from '../../src/config/load.ts'

function load(text: string): LoadedConfig {
  return loadConfig({ path: 'c.yml', env: {}, readFile: () => text })
}

// What is said, and that it is said once; the setting itself changes nothing.
const WARNED: [name: string, text: string, warning: string][] = [
  ['h2c', 'http:\n  h2c:\n    enabled: true\n', 'c.yml:2: http.h2c: ignored: Tarn speaks HTTP/1.1 only'],
  ['letsencrypt', 'http:\n  tls:\n    letsencrypt: {email: a@b.c}\n', 'c.yml:3: http.tls.letsencrypt: ignored: '],
  [
    'a program for the login of the proxy',
    'proxy:\n  exec: {command: c}\n',
    'c.yml:2: proxy.exec: ignored: Tarn runs no',
  ],
  ['notifications', 'notifications: {endpoints: [{name: x}]}\n', 'c.yml:1: notifications: not supported yet, ignored'],
  ['redis', 'redis: {addr: x, password: y}\n', 'c.yml:1: redis: ignored: '],
  ['middleware', 'middleware: {registry: [{name: x}], storage: [{name: y}]}\n', 'c.yml:1: middleware: ignored: '],
  ['reporting', 'reporting: {bugsnag: {apikey: x}}\n', 'c.yml:1: reporting: ignored: '],
  ['compatibility', 'compatibility: {schema1: {enabled: true}}\n', 'c.yml:1: compatibility: ignored: '],
  ['policy', 'policy: {repository: {classes: [x]}}\n', 'c.yml:1: policy: ignored: '],
  ['mail hooks', 'log:\n  hooks: [{type: mail}]\n', 'c.yml:2: log.hooks: ignored: '],
  ['report caller', 'log: {reportcaller: true}\n', 'c.yml:1: log.reportcaller: ignored: '],
  ['a key of a later Tarn', 'ui: {title: x}\n', 'c.yml:1: ui: not supported yet, ignored'],
  ['a foreign top-level key', 'version: 0.1\nducks: quack\n', 'c.yml:2: ducks: unknown key, ignored'],
  ['a key for another program', 'x-common: {log: {}}\n', 'c.yml:1: x-common: unknown key, ignored'],
  ['an unknown key of distribution’s', 'http:\n  quic: on\n', 'c.yml:2: http.quic: unknown key, ignored'],
  [
    'an unknown key below storage.filesystem',
    'storage: {filesystem: {x: 1}}\n',
    'c.yml:1: storage.filesystem.x: unknown',
  ],
]
for (const [name, text, warning] of WARNED) {
  t.test(`accepted with one warning: ${name}`, async (t) => {
    const { config, warnings } = load(text)
    t.equal(warnings.length, 1)
    t.ok(warnings[0]?.startsWith(warning), warnings[0] ?? 'nothing')
    t.same({ ...config, proxy: undefined }, { ...load('').config, proxy: undefined })
  })
}

// Accepted, with another meaning than written.
const CHANGED: [name: string, text: string, warning: string, config: object][] = [
  ['loglevel', 'loglevel: debug\n', 'c.yml:1: loglevel: deprecated', { log: { level: 'debug' } }],
  [
    'logstash',
    'log: {formatter: logstash}\n',
    'c.yml:1: log.formatter: logstash is not',
    { log: { formatter: 'json' } },
  ],
  [
    'TLS 1.0',
    'http:\n  tls: {certificate: a, key: b, minimumtls: tls1.0}\n',
    'c.yml:2: http.tls.minimumtls: tls1.0 is not supported, tls1.2',
    { http: { tls: { minimumtls: 'tls1.2' } } },
  ],
  ['HTTP/2', 'http: {http2: {disabled: false}}\n', 'c.yml:1: http.http2.disabled: HTTP/2 is not offered', {}],
  [
    'a bare number for a time',
    'http: {draintimeout: 5000000000}\n',
    'c.yml:1: http.draintimeout: a bare number is nanoseconds',
    { http: { draintimeout: 5000 } },
  ],
]
for (const [name, text, warning, expected] of CHANGED) {
  t.test(`accepted with a warning that says what is used: ${name}`, async (t) => {
    const { config, warnings } = load(text)
    t.equal(warnings.length, 1)
    t.ok(warnings[0]?.startsWith(warning), warnings[0] ?? 'nothing')
    t.match(config, expected)
  })
}

const SILENT: [string, string][] = [
  ['the descriptor cache', 'storage: {cache: {blobdescriptor: inmemory, blobdescriptorsize: 10000}, filesystem: {}}\n'],
  ['redirect', 'storage: {redirect: {disable: true}}\n'],
  ['tag lookups', 'storage: {tag: {concurrencylimit: 8}}\n'],
  ['maxthreads', 'storage: {filesystem: {maxthreads: 100}}\n'],
  ['validation.enabled', 'validation: {enabled: true}\n'],
  ['auth: none', 'auth: none\n'],
  ['storage as a word', 'storage: filesystem\n'],
  ['an empty tls section', 'http:\n  tls:\n'],
  ['a tls section without files', 'http: {tls: {certificate: "", key: "", clientcas: [], minimumtls: tls1.3}}\n'],
  ['empty sections', 'log:\nstorage:\nauth:\nhttp:\nhealth:\naccess:\nlimits:\nvalidation:\n'],
  [
    'zero where it means the default',
    'catalog: {maxentries: 0}\nhealth: {storagedriver: {interval: 0s, threshold: 0}}\n',
  ],
]
for (const [name, text] of SILENT) {
  t.test(`accepted without a word, and without effect: ${name}`, async (t) => {
    t.same(load(text), { ...load(''), path: 'c.yml' })
  })
}

// Every fault has its line and a hint.
const REFUSED: [name: string, text: string, message: string][] = [
  ['token login', 'auth:\n  token: {realm: x}\n', 'c.yml:2: auth.token: token login is not supported yet'],
  ['silly login', 'auth: {silly: {realm: x}}\n', 'c.yml:1: auth.silly: silly login lets everybody in'],
  ['silly login as a word', 'auth: silly\n', 'c.yml:1: auth.silly: '],
  ['an unknown kind of login', 'auth: {ldap: {}}\n', 'c.yml:1: auth.ldap: not a way of login'],
  ['two kinds of login', 'auth:\n  none: {}\n  htpasswd: {path: p}\n', 'c.yml:3: auth: expected exactly one kind'],
  ['htpasswd without a path', 'auth:\n  htpasswd:\n    realm: r\n', 'c.yml:2: auth.htpasswd.path: missing'],
  ['a realm with a quote', "auth: {htpasswd: {path: p, realm: 'a\"b'}}\n", 'c.yml:1: auth.htpasswd.realm: expected'],
  ...['inmemory', 's3', 'azure', 'gcs', 'swift', 'oss', 'ducks'].map((driver): [string, string, string] => [
    `the storage driver ${driver}`,
    `storage:\n  delete: {enabled: true}\n  ${driver}: {}\n`,
    `c.yml:3: storage.${driver}: not a storage driver of Tarn, which has only filesystem`,
  ]),
  ['the storage driver inmemory as a word', 'storage: inmemory\n', 'c.yml:1: storage.inmemory: not a storage driver'],
  ['an unknown key of ours', 'access:\n  anonimous: pull\n', 'c.yml:2: access.anonimous: no such setting'],
  ['an unknown limit', 'limits: {\n  downloads: 1}\n', 'c.yml:2: limits.downloads: no such setting'],
  [
    'a schedule that never comes true',
    'gc:\n  schedule: "0 0 31 2 *"\n',
    'c.yml:2: gc.schedule: expected five fields of cron',
  ],
  ['a schedule with seconds', 'gc: {schedule: "* * * * * *"}\n', 'c.yml:1: gc.schedule: expected five fields of cron'],
  [
    'a pattern that begins with a slash',
    'retention: {policies: [{repositories: ["/a"]}]}\n',
    'c.yml:1: retention.policies[0].repositories[0]: expected a pattern of repository names',
  ],
  [
    'a pattern with an open bracket',
    'retention: {policies: [{repositories: ["a{b"]}]}\n',
    'c.yml:1: retention.policies[0].repositories[0]: expected a pattern of repository names',
  ],
  ['room in apples', 'limits: {room: {stop: 5 apples}}\n', 'c.yml:1: limits.room.stop: expected a share of the disk'],
  ['a rate that is none', 'check: {rate: fast}\n', 'c.yml:1: check.rate: expected a number of bytes'],
  [
    'a rule of retention that is none',
    'retention: {policies: [{keep: [{newes: 1}]}]}\n',
    'c.yml:1: retention.policies[0].keep[0].newes: no such setting',
  ],
  ['a wrong value of ours', 'access: {anonymous: push}\n', 'c.yml:1: access.anonymous: expected one of: none, pull'],
  ['a limit out of range', 'limits: {connections: 0}\n', 'c.yml:1: limits.connections: out of range: at least 1 and'],
  ['a limit that is no number', 'limits: {loginQueue: many}\n', 'c.yml:1: limits.loginQueue: expected a whole number'],
  ['half a connection', 'limits: {connections: 1.5}\n', 'c.yml:1: limits.connections: expected a whole number'],
  [
    'a time without unit below a second',
    'limits: {idleTimeout: 60}\n',
    'c.yml:1: limits.idleTimeout: out of range: at least 1s',
  ],
  ['a time that is none', 'http: {draintimeout: soon}\n', 'c.yml:1: http.draintimeout: expected a duration'],
  ['a negative time', 'http: {draintimeout: -5s}\n', 'c.yml:1: http.draintimeout: out of range: at least 0s'],
  ['a log level', 'log: {level: loud}\n', 'c.yml:1: log.level: expected one of: error, warn, info, debug'],
  ['the older log level', 'loglevel: derp\n', 'c.yml:1: log.level: expected one of'],
  ['a log formatter', 'log: {formatter: xml}\n', 'c.yml:1: log.formatter: expected one of: text, json'],
  ['an address without port', 'http:\n  addr: localhost\n', 'c.yml:2: http.addr: expected :PORT'],
  ['a socket without path', 'http: {net: unix}\n', 'c.yml:1: http.addr: expected the path of a socket'],
  ['a network', 'http: {net: udp}\n', 'c.yml:1: http.net: expected one of: tcp, unix'],
  ['a prefix that climbs', 'http: {prefix: /../}\n', 'c.yml:1: http.prefix: expected a path'],
  ['a host that is no URL', 'http: {host: "registry:5000"}\n', 'c.yml:1: http.host: expected a URL'],
  ['a host with a login', 'http: {host: "https://u:hunter2@h"}\n', 'c.yml:1: http.host: expected a URL'],
  ['a certificate without key', 'http:\n  tls: {certificate: c}\n', 'c.yml:2: http.tls.key: missing'],
  ['a key without certificate', 'http: {tls: {key: k}}\n', 'c.yml:1: http.tls.certificate: missing'],
  ['client CAs without certificate', 'http: {tls: {clientcas: [c]}}\n', 'c.yml:1: http.tls.certificate: missing'],
  [
    'a TLS version',
    'http: {tls: {certificate: c, key: k, minimumtls: ssl3}}\n',
    'c.yml:1: http.tls.minimumtls: expected one of',
  ],
  ['a header that is no list', 'http: {headers: {X-A: b}}\n', 'c.yml:1: http.headers.X-A: expected a list'],
  [
    'a header with a line break',
    'http: {headers: {X-A: ["a\\r\\nSet-Cookie: b"]}}\n',
    'c.yml:1: http.headers.X-A[0]: not a header value',
  ],
  ['a header name with a space', 'http: {headers: {"X A": [b]}}\n', 'c.yml:1: http.headers.X A: not a header name'],
  ['a section that is a word', 'http: 5000\n', 'c.yml:1: http: expected a section'],
  ['a section that is a list', 'log: [info]\n', 'c.yml:1: log: expected a section'],
  ['a list that is a word', 'access: {admins: root}\n', 'c.yml:1: access.admins: expected a list'],
  [
    'a value that is a section',
    'storage: {delete: {enabled: {a: b}}}\n',
    'c.yml:1: storage.delete.enabled: expected one value',
  ],
  ['a text that is a list', 'http: {secret: [hunter2]}\n', 'c.yml:1: http.secret: expected text'],
  [
    'a word that is no boolean',
    'storage: {delete: {enabled: maybe}}\n',
    'c.yml:1: storage.delete.enabled: expected true or false',
  ],
  ['a newer version', 'version: 0.2\n', 'c.yml:1: version: expected 0.1'],
  [
    'a pattern',
    'validation: {manifests: {urls: {allow: ["("]}}}\n',
    'c.yml:1: validation.manifests.urls.allow[0]: not a regular',
  ],
  [
    'a platform list without platforms',
    'validation: {manifests: {indexes: {platforms: list}}}\n',
    'c.yml:1: validation.manifests.indexes.platforms: ',
  ],
  [
    'a health check without its file',
    'health:\n  file:\n    - interval: 5s\n',
    'c.yml:3: health.file[0].file: missing',
  ],
  ['a health check of no URL', 'health: {http: [{uri: ftp://x}]}\n', 'c.yml:1: health.http[0].uri: expected an http'],
  ['a health check of no port', 'health: {tcp: [{addr: ":1"}]}\n', 'c.yml:1: health.tcp[0].addr: expected HOST:PORT'],
]
for (const [name, text, message] of REFUSED) {
  t.test(`refused with its line: ${name}`, async (t) => {
    let error: unknown
    try {
      load(text)
    } catch (caught) {
      error = caught
    }
    t.type(error, ConfigError)
    const { message: said, hint } = error as ConfigError
    t.ok(said.startsWith(message), said)
    t.match(hint, /\w/u)
    t.notMatch(`${said}${hint}`, 'hunter2')
  })
}

t.test('all faults of a file are reported at once', async (t) => {
  const lines = ['log: {level: loud}', 'http: {net: udp}', 'access: {x: 1}']
  t.throws(() => load(lines.join('\n')), {
    message: /^c\.yml:1: log\.level: .*\nc\.yml:2: http\.net: .*\nc\.yml:3: access\.x: .*$/u,
  })
})

t.test('YAML 1.1’s words for booleans are taken, as distribution takes them', async (t) => {
  const { relativeurls, http2 } = load('http: {relativeurls: yes, http2: {disabled: On}}\n').config.http
  t.ok(relativeurls)
  t.ok(http2.disabled)
})

t.test('a number or a date in a text field stays as written', async (t) => {
  const { config } = load('http: {secret: 0123}\nlog: {fields: {a: 1.10, b: 2026-11-22, c: yes, d:}}\n')
  t.equal(config.http.secret, '0123')
  t.same(config.log.fields, { a: '1.10', b: '2026-11-22', c: 'yes', d: '' })
})

t.test('two spellings of one header are one header', async (t) => {
  t.same(load('http: {headers: {X-A: [b], x-a: [c, d]}}\n').config.http.headers, { 'X-A': ['c', 'd'] })
})

t.test('keys that JavaScript gives a meaning are plain unknown keys', async (t) => {
  const { warnings } = load('__proto__: {polluted: 1}\nconstructor: 1\nlog: {fields: {__proto__: x}}\n')
  t.equal(warnings.length, 2)
  t.equal(({} as { polluted?: number }).polluted, undefined)
})

t.test('a prefix has both slashes however it was written', async (t) => {
  const prefixes = ['/a/b/', 'a/b', '/a//b', '""', '/'].map(
    (text) => load(`http: {prefix: ${text}}`).config.http.prefix,
  )
  t.same(prefixes, ['/a/b/', '/a/b/', '/a/b/', '/', '/'])
})

t.test('a unix socket is an address when net says so', async (t) => {
  t.match(load('http: {net: unix, addr: /run/r.sock}\n').config.http, { net: 'unix', addr: '/run/r.sock' })
})

t.test('what the tls part judges by itself is handed on as it is', async (t) => {
  const { config, warnings } = load('http: {tls: {certificate: c, key: k, clientauth: x, ciphersuites: [A, B]}}')
  t.same(warnings, [])
  t.match(config.http.tls, { clientauth: 'x', ciphersuites: ['A', 'B'] })
})

t.test('health checks get their times', async (t) => {
  const { health } = load(
    'health: {file: [{file: /f}], http: [{uri: "http://h/"}], tcp: [{addr: "h:1", interval: 5s}]}',
  ).config
  t.same(health.file, [{ file: '/f', interval: 10_000, threshold: 1 }])
  t.same(health.http, [
    { uri: 'http://h/', headers: {}, statuscode: 200, timeout: 5000, interval: 10_000, threshold: 1 },
  ])
  t.same(health.tcp, [{ addr: 'h:1', timeout: 5000, interval: 5000, threshold: 1 }])
})

for (const [text, path, meant] of [
  ['auths: {htpasswd: {path: p}}', 'auths', 'auth'],
  ['htp: {addr: ":1"}', 'htp', 'http'],
  ['storge: {filesystem: {}}', 'storge', 'storage'],
  ['HTTP: {addr: ":1"}', 'HTTP', 'http'],
  ['auht: none', 'auht', 'auth'],
  ['storage: {filesystem: {rootdir: /data}}', 'storage.filesystem.rootdir', 'rootdirectory'],
  ['storage: {filesystem: {rootdirectroy: /data}}', 'storage.filesystem.rootdirectroy', 'rootdirectory'],
  ['http: {tsl: {certificate: c, key: k}}', 'http.tsl', 'tls'],
  ['http: {tls: {certificate: c, key: k, clientca: [a]}}', 'http.tls.clientca', 'clientcas'],
  ['http: {tls: {certifcate: c}}', 'http.tls.certifcate', 'certificate'],
] as const) {
  t.test(`a misspelt key is refused, since to ignore it could open the registry: ${path}`, async (t) => {
    t.throws(() => load(`${text}\n`), { message: `c.yml:1: ${path}: unknown key`, hint: `did you mean ${meant}?` })
  })
}

t.test('what is like no key is not taken for one', (t) => {
  const known = ['log', 'http', 'auth', 'storage', 'access']
  t.same(
    ['x', 'ab', 'ducks', 'docs', 'https-proxy', 'host', 'author', '', 'storeroom'].map((key) =>
      findNearest(key, known),
    ),
    Array.from({ length: 9 }, () => undefined),
  )
  t.end()
})
