import t from 'tap'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseReleaseImage, parseReleaseName, parseReleaseTarget } from '../../src/openshift/release-reference.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

t.test('a release is named by a registry, by this registry, or by an archive', async (t) => {
  t.match(parseReleaseName('quay.io/openshift-release-dev/ocp-release:4.4.10-x86_64'), {
    kind: 'registry',
    host: 'quay.io',
    repository: 'openshift-release-dev/ocp-release',
    reference: { kind: 'tag', tag: '4.4.10-x86_64' },
  })
  t.match(parseReleaseName(`localhost:5000/ocp4/openshift4:x@${DIGEST}`), {
    kind: 'registry',
    host: 'localhost:5000',
    reference: { kind: 'digest', digest: DIGEST },
  })
  t.match(parseReleaseName('ocp4/openshift4:4.4.10'), {
    kind: 'local',
    repository: 'ocp4/openshift4',
    reference: { kind: 'tag', tag: '4.4.10' },
  })
  t.match(parseReleaseName(`ocp4/openshift4@${DIGEST}`), { kind: 'local', reference: { kind: 'digest' } })
  t.match(parseReleaseName(`ocp4/openshift4:x@${DIGEST}`), { kind: 'local', repository: 'ocp4/openshift4' })
  for (const kind of ['dir', 'data', 'bundle'])
    t.match(parseReleaseName(`${kind}:/srv/a:b c`), { kind, path: '/srv/a:b c', image: undefined })
  t.match(parseReleaseName('data:/srv', 'ocp4/openshift4:4.4.10'), { image: { repository: 'ocp4/openshift4' } })
})

t.test('what names no image is refused', async (t) => {
  for (const text of [
    '',
    'dir:',
    'quay.io',
    'quay.io/a/b',
    'ocp4/openshift4',
    'Ocp4/x:1',
    'a b:1',
    `x@sha256:1`,
    'a/b:',
  ])
    t.throws(() => parseReleaseName(text), { name: 'Problem' }, text)
  t.throws(() => parseReleaseName('quay.io/a/b:1', 'a/b:1'), { message: /it is no archive/ })
  t.throws(() => parseReleaseName('dir:/srv', 'a/b'), { message: /it names no image/ })
})

t.test('it goes to a repository, here or elsewhere, or into a directory', async (t) => {
  t.same(parseReleaseTarget('ocp4/openshift4'), { kind: 'local', repository: 'ocp4/openshift4' })
  t.same(parseReleaseTarget('reg.example.com:5000/ocp4/openshift4'), {
    kind: 'registry',
    host: 'reg.example.com:5000',
    repository: 'ocp4/openshift4',
  })
  t.same(parseReleaseTarget('dir:/srv'), { kind: 'dir', path: '/srv', repository: 'openshift/release' })
  for (const text of ['', 'a/b:tag', `a/b@${DIGEST}`, 'reg:5000/a/b:tag', 'reg:5000', 'A/b', 'dir:'])
    t.throws(() => parseReleaseTarget(text), { name: 'Problem' }, text)
})

t.test('the release image may go elsewhere, as oc’s --to-release-image says', async (t) => {
  const repository = parseRepositoryName('ocp4/openshift4')
  const parse = (text: string, to = 'ocp4/openshift4') => parseReleaseImage(text, parseReleaseTarget(to), 'own:5000')
  t.same(parse('4.4.10-x86_64'), { repository, tag: '4.4.10-x86_64' })
  t.same(parse('ocp4/release:v1'), { repository: 'ocp4/release', tag: 'v1' })
  t.same(parse('own:5000/ocp4/release:v1'), { repository: 'ocp4/release', tag: 'v1' })
  t.same(parse('reg:5000/ocp4/release:v1', 'reg:5000/ocp4/openshift4'), { repository: 'ocp4/release', tag: 'v1' })
  for (const text of ['', 'a/b', `a/b@${DIGEST}`, ':x']) t.throws(() => parse(text), { name: 'Problem' }, text)
  for (const [text, to, why] of [
    ['reg:5000/ocp4/release:v1', 'ocp4/openshift4', /go to own:5000, .*--registry/],
    ['quay.io/ocp4/release:v1', 'reg:5000/ocp4/openshift4', /go to reg:5000, /],
    ['reg:5000/ocp4/release:v1', 'dir:/srv', /go into a directory, /],
  ] as const)
    t.throws(() => parse(text, to), { name: 'Problem', exitCode: 2, message: why })
})
