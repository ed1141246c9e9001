import t from 'tap'
import { formatDockerReference, parseDockerReference, scopesOf } from '../../../src/mirror/policy/docker-reference.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

function parse(text: string): string | undefined {
  const found = parseDockerReference(text)
  return found && formatDockerReference(found)
}

t.test('what Docker lets people leave out is filled in, and no tag is added', async (t) => {
  t.equal(parse('busybox'), 'docker.io/library/busybox')
  t.equal(parse('busybox:1'), 'docker.io/library/busybox:1')
  t.equal(parse('me/app:1'), 'docker.io/me/app:1')
  t.equal(parse('docker.io/busybox'), 'docker.io/library/busybox')
  t.equal(parse('index.docker.io/busybox:1'), 'docker.io/library/busybox:1')
  t.equal(parse('localhost/app:1'), 'localhost/app:1')
  t.equal(parse('quay.io:443/org/app:1'), 'quay.io:443/org/app:1')
  t.equal(parse(`quay.io/org/app:1@${DIGEST}`), `quay.io/org/app:1@${DIGEST}`)
})

t.test('what is no name of an image is none', async (t) => {
  const wrong = ['', 'quay.io/', 'quay.io/Org/app', 'a b', 'quay.io/app:', 'quay.io/app@sha256:12', 'x'.repeat(2000)]
  for (const text of [...wrong, 'quay.io/app:a:b', '-x.io/app', 'quay..io/app', `quay.io/app@${DIGEST}@${DIGEST}`])
    t.equal(parse(text), undefined, text.slice(0, 40))
})

t.test('scopes go from the image over its parents to its host and the wildcards above', async (t) => {
  const scopes = (text: string) => scopesOf(parseDockerReference(text) ?? { name: '' })
  t.same(scopes('registry.example.com:8443/ns/sub/app:1'), [
    'registry.example.com:8443/ns/sub/app:1',
    'registry.example.com:8443/ns/sub/app',
    'registry.example.com:8443/ns/sub',
    'registry.example.com:8443/ns',
    'registry.example.com:8443',
    '*.example.com',
    '*.com',
  ])
  t.same(scopes('busybox'), ['docker.io/library/busybox', 'docker.io/library', 'docker.io', '*.io'])
})
