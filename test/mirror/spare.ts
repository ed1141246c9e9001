import t from 'tap'
import { findSpared } from '../../src/mirror/spare.ts'
import { parseTag } from '../../src/oci/reference.ts'
import type { RepositoryContent } from '../../src/registry/plan-removal.ts'
import type { Marks } from '../../src/storage/mirrored.ts'
import { A } from '../helpers/store.ts'
import { imageOf } from '../helpers/sync-facts.ts'

const [ONE, TWO] = [parseTag('one'), parseTag('two')]
const [one, two] = [imageOf('one', { a: 1 }), imageOf('two', { b: 1 })]

t.test('a tag and a manifest that a sync means stay, whatever is chosen to go', async (t) => {
  const content = {
    tags: new Map([
      [ONE, one.digest],
      [TWO, two.digest],
    ]),
    manifests: new Map([one, two].map(({ digest, manifest }) => [digest, manifest])),
  } as unknown as RepositoryContent
  const spared = (of: { readonly tag?: true; readonly manifest?: true }) => {
    const mark = { upstream: 'up.test', checkedAt: 0, at: 0 }
    const marks: Marks = {
      tags: new Map([
        [ONE, { ...mark, digest: one.digest, ...(of.tag && { synced: true }) }],
        [TWO, { ...mark, digest: two.digest }],
      ]),
      manifests: new Map([
        [one.digest, { ...mark, ...(of.manifest && { synced: true }) }],
        [two.digest, mark],
      ]),
    }
    const found = findSpared(content, { name: A, marks, pins: [] })
    return [[...(found?.tags ?? [])], [...(found?.digests ?? [])]]
  }
  t.same(spared({}), [[], []])
  t.same(spared({ tag: true }), [[ONE], []])
  t.same(spared({ manifest: true }), [[], [one.digest]])
})
