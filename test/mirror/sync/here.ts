import t from 'tap'
import { readHere } from '../../../src/mirror/sync/here.ts'
import { planImages } from '../../../src/mirror/sync/plan.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { parseTag } from '../../../src/oci/reference.ts'
import { pushManifest } from '../../../src/registry/push-manifest.ts'
import { A, B, makeContext, makeStore, pushBytes } from '../../helpers/store.ts'
import { imageOf, meantOf } from '../../helpers/sync-facts.ts'
import { OCI_CONFIG, OCI_MANIFEST } from '../../helpers/push.ts'

const [PUSHED, SYNCED] = [parseTag('pushed'), parseTag('synced')]

t.test('what the directory has is told from the directory', async (t) => {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  const layer = await pushBytes(store, A, Buffer.from('layer'))
  const config = { mediaType: OCI_CONFIG, digest: layer, size: 5 }
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [] }))
  const reference = { kind: 'tag', tag: PUSHED } as const
  const image = await pushManifest(context, { name: A, reference, tags: [SYNCED], bytes, contentType: OCI_MANIFEST })
  await store.mirrored.markTag(A, SYNCED, image.digest, 'up.test')
  const digest = digestOf(bytes)
  const other = imageOf('other', { x: 1 })
  const found = { ...other, digest }

  const here = await readHere(context, [
    { ...meantOf('synced', found), to: A },
    { ...meantOf('1', other), to: A },
    { ...meantOf('1', found), to: B },
  ])
  t.same(here.tag(A, PUSHED), { digest, isOurs: false })
  t.same(here.tag(A, SYNCED), { digest, isOurs: true })
  t.equal(here.tag(B, SYNCED), undefined)
  t.same([here.isWhole(A, digest), here.isWhole(A, other.digest), here.isWhole(B, digest)], [true, false, false])
  t.same([here.hasBlob(layer), here.hasBlob(digestOf(Buffer.from('no')))], [true, false])
  t.match(planImages([{ ...meantOf('synced', found), to: A }], here).images, [{ state: 'here', steps: [] }])
})
