import t from 'tap'
import { hashHere, hashThere } from '../../src/bundle/piece-hash.ts'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { HashThread } from '../../src/storage/hash-thread.ts'

t.test('one hash after the other, here and in a thread, is that of its own bytes', async (t) => {
  const thread = new HashThread()
  t.teardown(() => thread.close())
  const shared = Buffer.from(new SharedArrayBuffer(1000))
  for (const fill of [1, 2]) {
    shared.fill(fill)
    const want = hexOf(digestOf(Buffer.from(shared)))
    for (const hash of [hashHere('sha256'), hashThere(thread, 'sha256')]) {
      await hash.update(shared.subarray(0, 300))
      await hash.update(shared.subarray(300))
      t.equal(await hash.digest(), want)
    }
  }
})
