import t from 'tap'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseTagStyle, releaseTags } from '../../src/openshift/release-tags.ts'
import { buildRelease } from '../fixtures/release.ts'

const digest = parseDigest(`sha256:${'b'.repeat(64)}`)
const component = { name: 'etcd', host: 'quay.io', repository: parseRepositoryName('o/art'), digest, annotations: {} }
const payload = { version: '4.4.10', components: [component], digest, isList: false, architecture: 'amd64' }

t.test('the tags are those of the oc of both generations', async (t) => {
  const tags = (style: 'auto' | 'arch' | 'plain', more = {}) =>
    releaseTags({ ...payload, ...more }, style).map(({ tag }) => tag as string)
  t.same(tags('auto'), ['4.4.10', '4.4.10-etcd'])
  t.same(tags('auto', { version: '4.6.1' }), ['4.6.1', '4.6.1-etcd'])
  t.same(tags('auto', { version: '4.7.0' }), ['4.7.0-x86_64', '4.7.0-x86_64-etcd'])
  t.same(tags('arch'), ['4.4.10-x86_64', '4.4.10-x86_64-etcd'])
  t.same(tags('plain', { version: '4.19.0' }), ['4.19.0', '4.19.0-etcd'])
  t.same(tags('arch', { architecture: 'arm64' }), ['4.4.10-aarch64', '4.4.10-aarch64-etcd'])
  t.same(tags('arch', { architecture: 's390x' }), ['4.4.10-s390x', '4.4.10-s390x-etcd'])
  t.same(tags('auto', { version: '4.18.3', isList: true }), ['4.18.3-multi', '4.18.3-multi-etcd'])
})

t.test('components of one digest have a tag each, as in every release', async (t) => {
  const release = await buildRelease({ version: '4.18.3', host: 'quay.io' })
  t.equal(release.expectedTags('arch').size, release.components.length + 1)
  t.equal(new Set(release.components.map((each) => each.digest)).size, release.components.length - 1)
})

t.test('a style that is none is refused with the styles that there are', async (t) => {
  t.throws(() => parseTagStyle('old'), { message: /no style of tags/ })
})
