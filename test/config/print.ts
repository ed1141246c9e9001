import t from 'tap'
import { parse } from 'yaml'
import { loadConfig, resolveConfig } from '../../src/config/load.ts'
import { printConfig } from '../../src/config/print.ts'
import type { Config } from '../../src/config/schema.ts'

function load(text: string): Config {
  return loadConfig({ path: 'c.yml', env: {}, readFile: () => text }).config
}

t.test('what is printed is a configuration file that gives the same configuration', async (t) => {
  const config = load(`
auth: {htpasswd: {realm: "My: Realm", path: /auth/htpasswd}}
http: {addr: "[::1]:5000", tls: {certificate: c, key: k, clientcas: [a, b]}, headers: {X-A: [b, c]}, draintimeout: 1m30s}
health: {file: [{file: /f, interval: 1500ms}], tcp: [{addr: "h:1"}]}
access: {anonymous: pull, admins: [ann]}
mirror: {upstreams: [well-known, {host: quay.io, ca: ca.crt, platforms: [linux/amd64], fresh: [{tags: v.*, for: 5m}]}]}
proxy: {remoteurl: "https://registry.example.com", ttl: 1h}
limits: {idleTimeout: 90s}
`)
  t.same(load(printConfig(config)), config)
})

t.test('times are printed in Go’s form', async (t) => {
  t.match(parse(printConfig(resolveConfig({}))), {
    storage: { maintenance: { uploadpurging: { age: '168h', interval: '24h' } } },
    limits: { idleTimeout: '1m', manifestBytes: 4_194_304 },
  })
})

t.test('no secret is printed', async (t) => {
  const printed = printConfig(
    load(`
http:
  secret: hunter2
  headers: {X-Api-Key: [hunter2], X-Frame-Options: [DENY]}
log: {fields: {apiToken: hunter2, environment: prod}}
health:
  http:
    - uri: https://user:hunter2@host/path?token=hunter2
      headers: {X-Anything: [hunter2]}
`),
  )
  t.notMatch(printed, 'hunter2')
  t.notMatch(printed, 'user:')
  t.match(parse(printed), {
    http: { secret: '********', headers: { 'X-Api-Key': '********', 'X-Frame-Options': ['DENY'] } },
    log: { fields: { apiToken: '********', environment: 'prod' } },
    health: { http: [{ uri: 'https://********@host/path?********', headers: { 'X-Anything': ['********'] } }] },
  })
})

t.test('the mirror is printed with all that holds, without the password of its proxy', async (t) => {
  const printed = printConfig(
    load(`
auth: {htpasswd: {path: p}}
proxy: {remoteurl: "https://registry.example.com", username: ann, password: hunter2}
mirror: {upstreams: [well-known, {host: quay.io, credentials: {username: ann, passwordFile: secret.txt}}]}
`),
  )
  t.notMatch(printed, 'hunter2')
  const { proxy, mirror } = parse(printed)
  t.same(proxy, { remoteurl: 'https://registry.example.com', username: 'ann', password: '********' })
  t.match(mirror, { offline: false, anonymous: false, cache: { maxBytes: '80%' } })
  t.equal(mirror.upstreams[0], 'well-known')
  t.match(mirror.upstreams[1], {
    host: 'quay.io',
    credentials: { username: 'ann', passwordFile: 'secret.txt' },
    platforms: 'requested',
    fresh: [
      { tags: 'latest|main', for: '1m' },
      { tags: '.*', for: '1h' },
    ],
    bandwidth: '0',
  })
})

t.test('a member that the schema does not know is masked', async (t) => {
  const config = { ...resolveConfig({}), webhook: { password: 'hunter2' } }
  t.notMatch(printConfig(config), 'hunter2')
  t.equal(parse(printConfig(config)).webhook, '********')
})
