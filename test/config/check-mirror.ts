import t from 'tap'
import { ConfigError } from '../../src/config/config-error.ts'
import { loadConfig } from '../../src/config/load.ts'

const LOGIN = 'auth: {htpasswd: {path: p}}\n'

function faultsOf(text: string, env: Record<string, string> = {}): string[] {
  try {
    loadConfig({ path: 'c.yml', env, readFile: () => text })
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n')
    throw error
  }
}

// Below a login, as the items of mirror.upstreams from line 4 on.
const WRONG: [name: string, items: string, fault: string][] = [
  ['no host', '{path: a}', 'c.yml:4: mirror.upstreams[0].host: missing'],
  [
    'a url for a host',
    '{host: "https://quay.io"}',
    'c.yml:4: mirror.upstreams[0].host: expected the name of a registry',
  ],
  ['a path in the host', '{host: quay.io/org}', 'c.yml:4: mirror.upstreams[0].host: expected the name'],
  ['a port that cannot be', '{host: "quay.io:70000"}', 'c.yml:4: mirror.upstreams[0].host: expected the name'],
  ['a host that can be no path', '{host: "[::1]:5000"}', 'c.yml:4: mirror.upstreams[0].host: no path for its'],
  ['a path that can be none', '{host: a, path: Quay}', 'c.yml:4: mirror.upstreams[0].path: expected a path that'],
  ['a path with a slash at its end', '{host: a, path: quay/}', 'c.yml:4: mirror.upstreams[0].path: expected a path'],
  ['a url without a scheme', '{host: a, url: [a.example]}', 'c.yml:4: mirror.upstreams[0].url[0]: expected a URL'],
  [
    'a url with a login',
    '{host: a, url: ["https://u:hunter2@a"]}',
    'c.yml:4: mirror.upstreams[0].url[0]: expected a URL',
  ],
  ['plain http', '{host: a, url: ["http://a"]}', 'c.yml:4: mirror.upstreams[0].url: plain http'],
  [
    'an origin with a path',
    '{host: a, origins: ["https://a/b"]}',
    'c.yml:4: mirror.upstreams[0].origins[0]: expected scheme',
  ],
  [
    'one platform without a list',
    '{host: a, platforms: linux/amd64}',
    'c.yml:4: mirror.upstreams[0].platforms: expected requested, all or a list',
  ],
  [
    'a platform without architecture',
    '{host: a, platforms: [linux]}',
    'c.yml:4: mirror.upstreams[0].platforms[0]: expected OS/',
  ],
  ['no platform at all', '{host: a, platforms: []}', 'c.yml:4: mirror.upstreams[0].platforms: a list without'],
  ['a bad glob', '{host: a, allow: ["a/{b"]}', 'c.yml:4: mirror.upstreams[0].allow[0]: expected a pattern'],
  ['a bad expression', '{host: a, fresh: [{tags: "("}]}', 'c.yml:4: mirror.upstreams[0].fresh[0].tags: not a regular'],
  [
    'a time without a number',
    '{host: a, fresh: [{tags: a, for: soon}]}',
    'c.yml:4: mirror.upstreams[0].fresh[0].for: expected a duration',
  ],
  ['a class without tags', '{host: a, fresh: [{for: 1m}]}', 'c.yml:4: mirror.upstreams[0].fresh[0].tags: missing'],
  ['no turns', '{host: a, concurrency: 0}', 'c.yml:4: mirror.upstreams[0].concurrency: out of range'],
  ['a bandwidth of words', '{host: a, bandwidth: fast}', 'c.yml:4: mirror.upstreams[0].bandwidth: expected a number'],
  ['an unknown key', '{host: a, retries: 3}', 'c.yml:4: mirror.upstreams[0].retries: no such setting'],
  [
    'an unknown key of a login',
    '{host: a, credentials: {password: hunter2}}',
    'c.yml:4: mirror.upstreams[0].credentials.password: no such',
  ],
  [
    'two ways to log in',
    '{host: a, credentials: {authFile: f, username: u}}',
    'c.yml:4: mirror.upstreams[0].credentials: authFile together',
  ],
  [
    'a name without a password',
    '{host: a, credentials: {username: u}}',
    'c.yml:4: mirror.upstreams[0].credentials.username: username without',
  ],
  [
    'a password without a name',
    '{host: a, credentials: {passwordFile: f}}',
    'c.yml:4: mirror.upstreams[0].credentials.passwordFile: passwordFile without',
  ],
  ['a word that is no word', 'well-know', 'c.yml:4: mirror.upstreams[0]: expected well-known or a section'],
  [
    'one host twice',
    '{host: a}\n    - {host: A, path: b}',
    'c.yml:5: mirror.upstreams[1].host: this upstream is there twice',
  ],
  [
    'one path twice',
    '{host: a}\n    - {host: b, path: a}',
    'c.yml:5: mirror.upstreams[1].path: another upstream has this path',
  ],
]
for (const [name, items, fault] of WRONG) {
  t.test(`refused in its line: ${name}`, async (t) => {
    const faults = faultsOf(`${LOGIN}mirror:\n  upstreams:\n    - ${items}\n`)
    t.equal(faults.length, 1)
    t.ok(faults[0]?.startsWith(fault), faults[0] ?? 'nothing')
    t.notMatch(faults.join('\n'), 'hunter2')
  })
}

const WRONG_ABOVE: [name: string, text: string, fault: string][] = [
  ['an unknown key', 'mirror: {upstream: well-known}', 'c.yml:2: mirror.upstream: no such setting'],
  ['another word', 'mirror: {upstreams: all}', 'c.yml:2: mirror.upstreams: expected well-known or a list'],
  ['one upstream without a list', 'mirror: {upstreams: {host: a}}', 'c.yml:2: mirror.upstreams: expected a list'],
  ['a cache of nothing', 'mirror: {cache: {maxBytes: 0}}', 'c.yml:2: mirror.cache.maxBytes: expected a share'],
  ['two bounds', 'mirror: {cache: {maxBytes: 80% 5GiB}}', 'c.yml:2: mirror.cache.maxBytes: expected a share'],
  [
    'a proxy with a login in its url',
    'proxy: {remoteurl: "https://u:hunter2@a"}',
    'c.yml:2: proxy.remoteurl: expected a URL',
  ],
  [
    'a proxy with half a login',
    'proxy: {remoteurl: "https://a", username: u}',
    'c.yml:2: proxy.username: username without password',
  ],
  [
    'the other half',
    'proxy: {remoteurl: "https://a", password: hunter2}',
    'c.yml:2: proxy.password: password without username',
  ],
  ['a misspelt key of a proxy', 'proxy: {remoteurls: "https://a"}', 'c.yml:2: proxy.remoteurls: unknown key'],
]
for (const [name, text, fault] of WRONG_ABOVE) {
  t.test(`refused in its line: ${name}`, async (t) => {
    const faults = faultsOf(`${LOGIN}${text}\n`)
    t.equal(faults.length, 1)
    t.ok(faults[0]?.startsWith(fault), faults[0] ?? 'nothing')
    t.notMatch(faults.join('\n'), 'hunter2')
  })
}

t.test('a path below another one and what overrides well-known are fine', async (t) => {
  t.same(faultsOf(`${LOGIN}mirror: {upstreams: [{host: a}, {host: b, path: a/b}, well-known, {host: quay.io}]}`), [])
})

t.test('a mirror without a login must be asked for', async (t) => {
  for (const text of [
    'mirror: {upstreams: well-known}',
    'mirror:',
    'mirror: {offline: true}',
    'auth: none\nmirror: {}',
  ])
    t.match(faultsOf(text), [/: mirror: nobody needs a login, so everybody could fetch/])
  t.match(faultsOf('', { REGISTRY_MIRROR_UPSTREAMS: 'well-known' }), [/^REGISTRY_MIRROR_UPSTREAMS: mirror: nobody/])
  const guarded = [
    'mirror: {anonymous: true}',
    LOGIN,
    `${LOGIN}access: {anonymous: pull}`,
    'http: {tls: {certificate: c, key: k, clientcas: [a]}}',
  ]
  for (const text of guarded) t.same(faultsOf(text.startsWith('mirror') ? text : `${text}\nmirror: {}`), [])
})

t.test('a proxy with credentials without a login must be asked for, one without credentials need not', async (t) => {
  const proxy = 'proxy: {remoteurl: "https://a", username: u, password: hunter2}\n'
  t.match(faultsOf(proxy), [/^c\.yml:1: proxy: nobody needs a login, so everybody could read/])
  t.same(faultsOf(`${proxy}mirror: {anonymous: true}`), [])
  t.same(faultsOf(`${proxy}${LOGIN}`), [])
  t.same(faultsOf('proxy: {remoteurl: "https://a"}'), [])
})

t.test('what Kubernetes sets for Services called registry-mirror and registry-proxy makes no mirror', async (t) => {
  const env = Object.fromEntries(
    ['MIRROR', 'PROXY'].flatMap((name) => [
      [`REGISTRY_${name}_SERVICE_HOST`, '10.0.0.1'],
      [`REGISTRY_${name}_PORT`, 'tcp://10.0.0.1:80'],
      [`REGISTRY_${name}_PORT_80_TCP_ADDR`, '10.0.0.1'],
    ]),
  )
  const { config, warnings } = loadConfig({ path: 'c.yml', env, readFile: () => '' })
  t.equal(warnings.length, 1)
  t.equal(config.mirror, undefined)
  t.equal(config.proxy, undefined)
})
