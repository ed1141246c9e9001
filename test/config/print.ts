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

t.test('a member that the schema does not know is masked', async (t) => {
  const config = { ...resolveConfig({}), proxy: { password: 'hunter2' } }
  t.notMatch(printConfig(config), 'hunter2')
  t.equal(parse(printConfig(config)).proxy, '********')
})
