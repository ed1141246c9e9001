import t from 'tap'
import { imageHostOf, knownOf, WELL_KNOWN } from '../../src/config/well-known.ts'
import { isRepositoryName } from '../../src/oci/name.ts'
import { Allowed } from '../../src/upstream/allowed.ts'

// Where each sends for a token, as it says in its challenge. Registries without one hand out everything to everybody.
const REALMS: Readonly<Record<string, readonly string[]>> = {
  'docker.io': ['https://auth.docker.io/token'],
  'quay.io': ['https://quay.io/v2/auth'],
  'ghcr.io': ['https://ghcr.io/token'],
  'gcr.io': ['https://gcr.io/v2/token'],
  'registry.redhat.io': ['https://registry.redhat.io/auth/realms/rhcc/protocol/redhat-docker-v2/auth'],
  'registry.connect.redhat.com': [
    'https://registry.connect.redhat.com/auth/realms/rhcc/protocol/redhat-docker-v2/auth',
    'https://sso.redhat.com/auth/realms/rhcc/protocol/redhat-docker-v2/auth',
  ],
  'registry.ci.openshift.org': ['https://registry.ci.openshift.org/openshift/token'],
  'public.ecr.aws': ['https://public.ecr.aws/token/'],
  'registry.gitlab.com': ['https://gitlab.com/jwt/auth'],
  'nvcr.io': ['https://nvcr.io/proxy_auth', 'https://authn.nvidia.com/token'],
  'docker.elastic.co': ['https://docker-auth.elastic.co/auth'],
  'icr.io': ['https://icr.io/oauth/token'],
  'cp.icr.io': ['https://cp.icr.io/oauth/token'],
  'cgr.dev': ['https://cgr.dev/token'],
}

for (const [host, realms] of Object.entries(REALMS)) {
  t.test(`the token server of ${host} may see its credentials, one at a stranger's may not`, async (t) => {
    const { url = [`https://${host}`], origins = [] } = knownOf(host)
    const allowed = new Allowed({
      url: new URL(url[0] as string),
      origins: origins.map((origin) => new URL(origin)),
    })
    for (const realm of realms) t.equal(allowed.readRealm(realm, true).href, realm)
    t.throws(() => allowed.readRealm('https://token.example.com/', true), { message: /may not see its credentials/ })
  })
}

t.test('each well-known registry is there once and can be a path', async (t) => {
  t.equal(new Set(WELL_KNOWN.map(({ host }) => host)).size, WELL_KNOWN.length)
  for (const { host } of WELL_KNOWN) t.ok(isRepositoryName(host), host)
  for (const host of Object.keys(REALMS))
    t.ok(
      WELL_KNOWN.some((known) => known.host === host),
      host,
    )
})

t.test('Docker Hub has one name in images and others where it answers', async (t) => {
  for (const host of ['docker.io', 'index.docker.io', 'registry-1.docker.io']) t.equal(imageHostOf(host), 'docker.io')
  t.equal(imageHostOf('quay.io'), 'quay.io')
})
