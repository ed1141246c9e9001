import t from 'tap'
import { loadConfig } from '../../src/config/load.ts'
import { isPushable, needsLogin, settleMirror } from '../../src/config/mirror.ts'
import type { Config } from '../../src/config/schema.ts'

function load(text: string): Config {
  return loadConfig({ path: 'c.yml', env: {}, readFile: () => text }).config
}

const LOGIN = 'auth: {htpasswd: {path: p}}\n'
const PROXY = 'proxy: {remoteurl: "https://registry.example.com"}\n'

t.test('there is no mirror without its section and without a proxy', async (t) => {
  t.equal(settleMirror(load(''), { directory: '/' }), undefined)
  t.equal(settleMirror(load('proxy: {username: a, password: b}'), { directory: '/' }), undefined)
  t.equal(settleMirror(load(''), { directory: '/', offline: true }), undefined)
})

t.test('a mirror is online and keeps up to four fifths of the disk unless it says otherwise', async (t) => {
  t.match(settleMirror(load(`${LOGIN}mirror:\n`), { directory: '/' }), { offline: false, cache: { share: 0.8 } })
  const small = load(`${LOGIN}mirror: {offline: true, cache: {maxBytes: 500GiB}}`)
  t.match(settleMirror(small, { directory: '/' }), { offline: true, cache: { share: 1, bytes: 500 * 2 ** 30 } })
})

t.test('the option of the command takes a mirror and a proxy offline', async (t) => {
  for (const text of [`${LOGIN}mirror: {upstreams: well-known}`, PROXY])
    t.match(settleMirror(load(text), { directory: '/', offline: true }), { offline: true })
})

t.test('ns counts with a mirror section only, as it is nothing to a proxy of distribution', async (t) => {
  t.match(settleMirror(load(PROXY), { directory: '/' }), { knowsNs: false })
  t.match(settleMirror(load(`${LOGIN}${PROXY}mirror:\n`), { directory: '/' }), { knowsNs: true })
})

t.test('a certificate is as good as a login', async (t) => {
  t.equal(needsLogin(load('')), false)
  t.equal(needsLogin(load(LOGIN)), true)
  t.equal(needsLogin(load('http: {tls: {certificate: c, key: k}}')), false)
  t.equal(needsLogin(load('http: {tls: {certificate: c, key: k, clientcas: [a]}}')), true)
})

t.test('only a proxy that nobody guards takes no push', async (t) => {
  t.equal(isPushable(load(PROXY)), false)
  t.equal(isPushable(load('')), true)
  t.equal(isPushable(load(`${LOGIN}${PROXY}`)), true)
  t.equal(isPushable(load(`${PROXY}mirror: {anonymous: true}`)), true)
  t.equal(isPushable(load(`mirror: {anonymous: true, upstreams: well-known}`)), true)
})
