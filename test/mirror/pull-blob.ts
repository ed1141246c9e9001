import t from 'tap'
import type { BlobFetcher } from '../../src/mirror/fetch-blob.ts'
import { BlobPuller } from '../../src/mirror/pull-blob.ts'
import { Readers } from '../../src/mirror/readers.ts'
import type { Located } from '../../src/mirror/route.ts'
import { makeTally } from '../../src/mirror/tally.ts'
import type { Transfer } from '../../src/mirror/transfer.ts'
import { mountBlob } from '../../src/registry/push-blob.ts'
import { A, B, makeContext, makeStore, pushBytes } from '../helpers/store.ts'

t.test('a client that joins the transfer of another repository as it ends gets the blob', async (t) => {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  const bytes = Buffer.from('the layer that two repositories have')
  const digest = await pushBytes(store, A, bytes)
  const steps: string[] = []
  // Whole, stored, linked for A alone, and its file is closed already.
  const ended = { digest, size: bytes.length, file: { use: () => false } } as unknown as Transfer
  const blobs = {
    isHere: () => store.links.resolve(B, digest) !== undefined,
    find: () => undefined,
    async open() {
      steps.push('open')
      if (steps.length === 1) return ended
      await mountBlob(context, B, digest, undefined)
      return undefined
    },
    async settle() {
      steps.push('settle')
    },
  } as unknown as BlobFetcher
  const puller = new BlobPuller({
    context,
    blobs,
    readers: new Readers(),
    fills: { sizeOf: () => undefined },
    tally: makeTally(),
    mayAsk: () => true,
    mayFetch: () => true,
  })
  const blob = await puller.pull({ name: B, repository: B } as unknown as Located, digest, false)
  t.equal(blob.size, bytes.length)
  await blob.close()
  t.same(steps, ['open', 'settle', 'open'])
})
