// The conformance checks against Tarn itself: over plain HTTP without a login, and over TLS with htpasswd.
import t from 'tap'
import { PASSWORD, USERNAME, makeLogin, makeTls } from '../helpers/login.ts'
import { startTarn } from '../helpers/server.ts'
import { runConformance } from './conformance/run.ts'

const REPOSITORIES = { repo1: 'conformance/one', repo2: 'conformance/two' }
const STORAGE = { delete: { enabled: true } }
// The sparse set holds an image whose layer never comes. Tarn refuses such an image unless it is told not to look.
const VALIDATION = { disabled: true }

t.test('conforms over plain HTTP', async (t) => {
  const { url } = await startTarn(t, { storage: STORAGE })
  await runConformance(t, { url, version: 'dev', ...REPOSITORIES })
})

t.test('conforms over TLS with htpasswd, and with sparse images where they are allowed', async (t) => {
  const directory = t.testdir()
  const { tls, ca } = makeTls(directory)
  const config = { storage: STORAGE, http: { tls }, auth: makeLogin(directory), validation: VALIDATION }
  const { url } = await startTarn(t, config)
  const login = { username: USERNAME, password: PASSWORD, ca }
  await runConformance(t, { url, version: 'dev', sparse: true, ...login, ...REPOSITORIES })
})
