import t from 'tap'
import { formatImageSource, parseImageSource } from '../../src/config/image-source.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

t.test('an image, a repository and a registry are told apart, and written again as they were', async (t) => {
  for (const [text, expected] of [
    ['quay.io/org/app', { host: 'quay.io', repository: 'org/app' }],
    ['quay.io/org/app:v1', { host: 'quay.io', repository: 'org/app', tag: 'v1' }],
    [`quay.io/app@${DIGEST}`, { host: 'quay.io', repository: 'app', digest: DIGEST }],
    [`quay.io/app:v1@${DIGEST}`, { host: 'quay.io', repository: 'app', tag: 'v1', digest: DIGEST }],
    ['registry.corp:5000', { host: 'registry.corp:5000' }],
    ['registry.corp:5000/team/app:1', { host: 'registry.corp:5000', repository: 'team/app', tag: '1' }],
    ['localhost/app', { host: 'localhost', repository: 'app' }],
    ['[::1]:5000/app', { host: '[::1]:5000', repository: 'app' }],
  ] as const) {
    const source = parseImageSource(text)
    t.same(source, expected, text)
    t.equal(source && formatImageSource(source), text)
  }
})

t.test('all names of Docker Hub are one, and its own images lie under library', async (t) => {
  for (const text of ['docker.io/alpine', 'docker.io/library/alpine', 'index.docker.io/alpine'])
    t.same(parseImageSource(text), { host: 'docker.io', repository: 'library/alpine' }, text)
  t.equal(parseImageSource('Quay.IO/app')?.host, 'quay.io')
})

t.test('what does not say which registry, or is no name, is refused', async (t) => {
  for (const text of [
    '',
    'alpine',
    'alpine:3.20',
    'library/alpine',
    'https://quay.io/app',
    'docker://quay.io/app',
    'quay.io/',
    'quay.io/App',
    'quay.io/app:',
    'quay.io/app:a b',
    'quay.io/app@sha256:abc',
    'quay.io/app@',
    'quay.io:70000/app',
    '0x7f.1/app',
    'docker.io/',
  ])
    t.equal(parseImageSource(text), undefined, text)
})
