import t from 'tap'
import { loadConfig, resolveConfig } from '../../src/config/load.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import { settleUpstreams } from '../../src/config/upstreams.ts'
import type { UpstreamConfig } from '../../src/config/upstreams.ts'
import { WELL_KNOWN } from '../../src/config/well-known.ts'

const MINUTE = 60_000

function settle(text: string, env: Record<string, string> = {}): readonly UpstreamConfig[] {
  const whole = `auth: {htpasswd: {path: p}}\n${text}`
  return settleUpstreams(loadConfig({ path: 'c.yml', env, readFile: () => whole }).config, '/home/tarn')
}

function settleOne(text: string): UpstreamConfig {
  const [first, ...others] = settle(text)
  if (first === undefined || others.length > 0) throw new Error('expected one upstream')
  return first
}

/** Milliseconds for which a tag is fresh. */
function freshOf({ fresh }: UpstreamConfig, tag: string): number | undefined {
  return fresh.find(({ tags }) => tags.test(tag))?.for
}

t.test('a configuration without mirror and proxy has no upstream, and neither has an empty mirror', async (t) => {
  t.same(settle(''), [])
  t.same(settle('proxy: {}'), [])
  t.same(settle('proxy: {remoteurl: ""}'), [])
  t.same(settle('mirror: {offline: true}'), [])
  t.same(settle('mirror:'), [])
})

t.test('an upstream needs its host alone', async (t) => {
  const { fresh, ...rest } = settleOne('mirror: {upstreams: [{host: Registry.corp:5000}]}')
  t.same(rest, {
    host: 'registry.corp:5000',
    path: 'registry.corp_5000',
    url: ['https://registry.corp:5000'],
    credentials: {},
    insecure: false,
    origins: [],
    allow: [],
    deny: [],
    platforms: 'requested',
    referrers: true,
    concurrency: 8,
    bandwidth: 0,
  })
  t.ok(fresh.length > 0)
})

t.test('everything that is said of an upstream is kept, with absolute paths and plain numbers', async (t) => {
  const { fresh, ...rest } = settleOne(`
mirror:
  upstreams:
    - host: quay.io
      path: mirrors/quay
      url: [https://quay.example.com/cache/, "http://127.0.0.1:5001"]
      credentials: {authFile: secrets/pull-secret.json}
      ca: /etc/corp-ca.crt
      insecure: true
      origins: [https://sso.example.com]
      allow: ["openshift-release-dev/**"]
      deny: ["**/secret"]
      platforms: [linux/amd64, linux/arm64/v8]
      referrers: false
      concurrency: 2
      bandwidth: 50MB/s
`)
  t.same(rest, {
    host: 'quay.io',
    path: 'mirrors/quay',
    url: ['https://quay.example.com/cache', 'http://127.0.0.1:5001'],
    credentials: { authFile: '/home/tarn/secrets/pull-secret.json' },
    ca: '/etc/corp-ca.crt',
    insecure: true,
    origins: ['https://sso.example.com'],
    allow: ['openshift-release-dev/**'],
    deny: ['**/secret'],
    platforms: ['linux/amd64', 'linux/arm64/v8'],
    referrers: false,
    concurrency: 2,
    bandwidth: 50_000_000,
  })
  t.ok(fresh.length > 0)
})

t.test('a login may be a name and a file', async (t) => {
  const { credentials } = settleOne(
    'mirror: {upstreams: [{host: quay.io, credentials: {username: ann, passwordFile: ./pw}}]}',
  )
  t.same(credentials, { username: 'ann', passwordFile: '/home/tarn/pw' })
})

t.test('well-known stands for every registry of the list, alone or in a list', async (t) => {
  const hosts = WELL_KNOWN.map(({ host }) => host)
  for (const text of ['well-known', '[well-known]']) {
    const upstreams = settle(`mirror: {upstreams: ${text}}`)
    t.same(upstreams.map(({ host }) => host).toSorted(), hosts.toSorted())
    for (const { host, path, url } of upstreams) {
      t.equal(path, host)
      t.same(url, [host === 'docker.io' ? 'https://registry-1.docker.io' : `https://${host}`])
    }
  }
})

t.test(
  'what is written wins over well-known, by host and by path, and keeps what is known of the registry',
  async (t) => {
    const upstreams = settle(
      'mirror: {upstreams: [{host: docker.io, referrers: false}, well-known, {host: q.corp, path: quay.io}]}',
    )
    t.equal(upstreams.length, WELL_KNOWN.length)
    const at = (host: string): UpstreamConfig[] => upstreams.filter((upstream) => upstream.host === host)
    t.match(at('docker.io'), [{ referrers: false, url: ['https://registry-1.docker.io'] }])
    t.match(at('q.corp'), [{ path: 'quay.io' }])
    t.same(at('quay.io'), [])
  },
)

t.test('what is known of a registry does not follow it to another address', async (t) => {
  t.same(settleOne('mirror: {upstreams: [{host: nvcr.io}]}').origins, ['https://authn.nvidia.com'])
  t.same(settleOne('mirror: {upstreams: [{host: nvcr.io, url: [https://cache.corp]}]}').origins, [])
})

t.test('latest and main are fresh for a minute, all other tags for an hour', async (t) => {
  const upstream = settleOne('mirror: {upstreams: [{host: quay.io}]}')
  for (const tag of ['latest', 'main']) t.equal(freshOf(upstream, tag), MINUTE, tag)
  for (const tag of ['v1', 'latest-1', 'not-main', 'maintenance']) t.equal(freshOf(upstream, tag), 60 * MINUTE, tag)
})

t.test('the first class that names the whole tag decides, and an hour holds where none does', async (t) => {
  const upstream = settleOne(
    'mirror: {upstreams: [{host: quay.io, fresh: [{tags: "v1|v2", for: 24h}, {tags: "v.*", for: 0s}]}]}',
  )
  t.equal(freshOf(upstream, 'v1'), 24 * 60 * MINUTE)
  t.equal(freshOf(upstream, 'v10'), 0)
  t.equal(freshOf(upstream, 'latest'), 60 * MINUTE)
})

t.test('the proxy of distribution is an upstream without a path', async (t) => {
  const { fresh, ...rest } = settleOne(
    'proxy: {remoteurl: "https://registry-1.docker.io/", username: ann, password: secret}',
  )
  t.match(rest, {
    host: 'docker.io',
    path: '',
    url: ['https://registry-1.docker.io'],
    credentials: { username: 'ann', password: 'secret' },
    insecure: false,
  })
  t.ok(fresh.length > 0)
})

t.test('a proxy over plain http is insecure, as in distribution it may be', async (t) => {
  t.match(settleOne('proxy: {remoteurl: "http://127.0.0.1:5001"}'), { host: '127.0.0.1:5001', insecure: true })
})

t.test('a short ttl of the proxy makes tags fresh for that long, a long one and none change nothing', async (t) => {
  const at = (ttl: string): UpstreamConfig => settleOne(`proxy: {remoteurl: "https://x.example", ttl: ${ttl}}`)
  t.equal(freshOf(at('10s'), 'latest'), 10_000)
  t.equal(freshOf(at('10s'), 'v1'), 10_000)
  for (const ttl of ['168h', '0', '~']) {
    t.equal(freshOf(at(ttl), 'latest'), MINUTE)
    t.equal(freshOf(at(ttl), 'v1'), 60 * MINUTE)
  }
})

t.test('variables say what the file says', async (t) => {
  t.equal(settle('', { REGISTRY_MIRROR_UPSTREAMS: 'well-known' }).length, WELL_KNOWN.length)
  t.match(settle('', { REGISTRY_MIRROR_UPSTREAMS: '[{host: a.corp}]' }), [{ host: 'a.corp' }])
  t.match(settle('', { REGISTRY_PROXY_REMOTEURL: 'https://b.corp' }), [{ host: 'b.corp', path: '' }])
  const split = {
    REGISTRY_MIRROR_UPSTREAMS_0_HOST: 'a.corp',
    REGISTRY_MIRROR_UPSTREAMS_0_CREDENTIALS_AUTHFILE: 'auth.json',
    REGISTRY_MIRROR_UPSTREAMS_0_FRESH_0_TAGS: 'v.*',
    REGISTRY_MIRROR_UPSTREAMS_0_FRESH_0_FOR: '5m',
    REGISTRY_MIRROR_UPSTREAMS_0_PLATFORMS_0: 'linux/amd64',
  }
  const [upstream] = settle('', split)
  t.match(upstream, { host: 'a.corp', credentials: { authFile: '/home/tarn/auth.json' }, platforms: ['linux/amd64'] })
  t.equal(freshOf(upstream as UpstreamConfig, 'v1'), 5 * MINUTE)
})

t.test('a variable adds an upstream to the well-known ones of the file', async (t) => {
  const text = 'mirror: {upstreams: well-known}'
  const upstreams = settle(text, { REGISTRY_MIRROR_UPSTREAMS_1_HOST: 'a.corp' })
  t.equal(upstreams.length, WELL_KNOWN.length + 1)
  t.match(settle(text, { REGISTRY_MIRROR_UPSTREAMS_0_HOST: 'a.corp' }), [{ host: 'a.corp' }])
})

t.test('an embedder gives milliseconds', async (t) => {
  const input: ConfigInput = {
    auth: { htpasswd: { path: 'p' } },
    mirror: { upstreams: ['well-known', { host: 'a.corp', fresh: [{ tags: '.*', for: 5000 }] }] },
  }
  const upstream = settleUpstreams(resolveConfig(input), '/').find(({ host }) => host === 'a.corp')
  t.equal(freshOf(upstream as UpstreamConfig, 'v1'), 5000)
})
