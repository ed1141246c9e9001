// The conformance checks against Tarn itself: over plain HTTP without a login, and over TLS with htpasswd.
import t from 'tap'
import { PASSWORD, USERNAME, makeLogin, makeTls } from '../helpers/login.ts'
import { startTarn } from '../helpers/server.ts'
import { runConformance } from './conformance/run.ts'

const REPOSITORIES = { repo1: 'conformance/one', repo2: 'conformance/two' }
const STORAGE = { delete: { enabled: true } }

t.test('conforms over plain HTTP', async (t) => {
  const { url } = await startTarn(t, { storage: STORAGE })
  await runConformance(t, { url, version: 'dev', sparse: true, ...REPOSITORIES })
})

t.test('conforms over TLS with htpasswd', async (t) => {
  const directory = t.testdir()
  const { tls, ca } = makeTls(directory)
  const { url } = await startTarn(t, { storage: STORAGE, http: { tls }, auth: makeLogin(directory) })
  const login = { username: USERNAME, password: PASSWORD, ca }
  await runConformance(t, { url, version: 'dev', sparse: true, ...login, ...REPOSITORIES })
})
