import t from 'tap'
import { findGone } from '../../../src/mirror/sync/gone.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import type { RepositoryName } from '../../../src/oci/name.ts'
import type { Tag } from '../../../src/oci/reference.ts'
import { hashOf } from '../../helpers/digest.ts'

const SIGNATURE = `sha256-${'a'.repeat(64)}.sig`

function find(synced: readonly string[], meant: readonly string[], maxShare: number) {
  return findGone({
    to: 'app' as RepositoryName,
    synced: new Map(synced.map((tag) => [tag as Tag, hashOf(tag) as Digest])),
    meant: new Set(meant as Tag[]),
    maxShare,
  })
}

t.test('the synced tags that are not meant any more are gone', async (t) => {
  t.match(find(['1', '2', '3', '4'], ['2', '3', '4', '5'], 0.25), {
    tags: [{ tag: '1', digest: hashOf('1') }],
    share: 0.25,
    isHeld: false,
  })
  t.equal(find(['1', '2'], ['1', '2', '3'], 0), undefined)
  t.equal(find([], [], 0), undefined)
})

t.test('more than the share is held, and all of them unless all may go', async (t) => {
  t.equal(find(['1', '2', '3'], ['1', '2'], 0.1)?.isHeld, true)
  t.equal(find(['1', '2'], [], 0.99)?.isHeld, true)
  t.equal(find(['1', '2'], [], 1)?.isHeld, false)
})

t.test('signatures neither go by themselves nor make the share smaller', async (t) => {
  t.equal(find(['1', SIGNATURE], ['1'], 1), undefined)
  t.equal(find(['1', '2', SIGNATURE], ['1'], 0.4)?.share, 0.5)
})
