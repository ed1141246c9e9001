import t from 'tap'
import type { SyncedImage } from '../../../src/mirror/sync/report.ts'
import { countResults, nameHere } from '../../../src/mirror/sync/report.ts'
import type { RepositoryName } from '../../../src/oci/name.ts'
import type { Tag } from '../../../src/oci/reference.ts'
import { digestOf } from '../../../src/oci/digest.ts'

t.test('images are counted by how they ended, with a nought for what did not happen', (t) => {
  const images = ['copied', 'failed', 'copied'].map((result) => ({ result }) as SyncedImage)
  t.same(countResults(images), { copied: 2, moved: 0, completed: 0, here: 0, kept: 0, failed: 1 })
  t.same(countResults([]), { copied: 0, moved: 0, completed: 0, here: 0, kept: 0, failed: 0 })
  t.end()
})

t.test('an image is named by its tag, without one by its digest, and by its repository where neither is known', (t) => {
  const to = 'lab/app' as RepositoryName
  const digest = digestOf(Buffer.from('x'))
  t.equal(nameHere({ to, tag: 'v1' as Tag, digest }), 'lab/app:v1')
  t.equal(nameHere({ to, digest }), `lab/app@${digest}`)
  t.equal(nameHere({ to }), 'lab/app')
  t.equal(nameHere({ to: '' }), '')
  t.end()
})
