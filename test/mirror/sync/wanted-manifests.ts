import t from 'tap'
import { chooseChildren, walkWanted } from '../../../src/mirror/sync/wanted-manifests.ts'
import { imageOf, indexOf, readOf } from '../../helpers/sync-facts.ts'

const amd64 = imageOf('amd64', { a: 1 })
const arm64 = imageOf('arm64', { b: 1 })
const amd64Built = imageOf('amd64-built', { c: 1 })
const arm64Built = imageOf('arm64-built', { d: 1 })
const index = indexOf(
  [amd64, { platform: 'linux/amd64' }],
  [arm64, { platform: 'linux/arm64/v8' }],
  [amd64Built, { builtFor: amd64 }],
  [arm64Built, { builtFor: arm64 }],
)
const all = readOf(amd64, arm64, amd64Built, arm64Built)

const digestsOf = (list: readonly { readonly digest: string }[]): string[] => list.map(({ digest }) => digest)

t.test('a platform brings its child and the attestations of that child, not those of others', async (t) => {
  t.same(digestsOf(chooseChildren(index.manifest, ['linux/arm64'])), digestsOf([arm64, arm64Built]))
  t.same(digestsOf(chooseChildren(index.manifest, 'all')), digestsOf([amd64, arm64, amd64Built, arm64Built]))
  t.same(chooseChildren(amd64.manifest, ['linux/amd64']), [])
})

t.test('children come before the index that names them, through indexes of indexes, each once', async (t) => {
  const outer = indexOf([index, { platform: 'linux/amd64' }], [amd64, { platform: 'linux/amd64' }])
  const { manifests } = walkWanted(outer, ['linux/amd64'], readOf(index, amd64, arm64, amd64Built, arm64Built))
  t.same(digestsOf(manifests), digestsOf([amd64, arm64, amd64Built, arm64Built, index, outer]))
})

t.test('what was not read yet is told, so that it can be', async (t) => {
  t.same(digestsOf(walkWanted(index, ['linux/amd64'], readOf(amd64)).unread), digestsOf([amd64Built]))
  t.same(walkWanted(index, ['linux/amd64'], all).unread, [])
})

t.test('a platform that the index lacks is missing; an image has the one that it has', async (t) => {
  t.same(walkWanted(index, ['linux/amd64', 'linux/s390x'], all).missing, ['linux/s390x'])
  t.same(walkWanted(amd64, ['linux/s390x'], all).missing, [])
  t.same(walkWanted(index, 'all', all).missing, [])
})
