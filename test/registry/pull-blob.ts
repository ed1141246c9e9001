import { rmSync, writeFileSync } from 'node:fs'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { Context } from '../../src/registry/context.ts'
import { pullBlob, statBlob } from '../../src/registry/pull-blob.ts'
import { plantBlob, plantBytes, plantFile } from '../helpers/plant.ts'
import { A, B, makeContext, makeStore, pushBytes } from '../helpers/store.ts'

const SMALL = Buffer.from('a small blob')
const LARGE = Buffer.alloc(5 * 1024 * 1024, 'tarn')

async function receive(context: Context, digest: Digest, range?: { start: number; end: number }): Promise<Buffer> {
  const blob = await pullBlob(context, A, digest, range !== undefined)
  const chunks: Buffer[] = []
  try {
    await blob.send(range ?? { start: 0, end: blob.size }, async (chunk) => void chunks.push(Buffer.from(chunk)))
    return Buffer.concat(chunks)
  } finally {
    await blob.close()
  }
}

t.test('a blob comes back whole and in part', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const digest = await pushBytes(context.store, A, LARGE)
  t.equal(await statBlob(context, A, digest), LARGE.length)
  t.ok(LARGE.equals(await receive(context, digest)))
  t.ok(
    LARGE.subarray(1_000_001, 3_000_000).equals(await receive(context, digest, { start: 1_000_001, end: 3_000_000 })),
  )
})

t.test('bytes that are here for another repository are unknown in this one', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const digest = await pushBytes(context.store, B, SMALL)
  await t.rejects(statBlob(context, A, digest), { code: 'BLOB_UNKNOWN', detail: digest })
  await t.rejects(pullBlob(context, A, digest, false), { code: 'BLOB_UNKNOWN', detail: digest })
})

t.test('a link without bytes, and bytes without a link, are unknown', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const digest = await pushBytes(context.store, A, SMALL)
  rmSync(context.store.layout.blobData(digest))
  await t.rejects(statBlob(context, A, digest), { code: 'BLOB_UNKNOWN' })
  await t.rejects(pullBlob(context, A, digest, false), { code: 'BLOB_UNKNOWN' })
  const other = plantBytes(context.store, LARGE)
  await t.rejects(pullBlob(context, A, other, false), { code: 'BLOB_UNKNOWN' })
})

t.test('a size is told only of bytes that were hashed', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const digest = plantBlob(context.store, A, LARGE)
  t.equal(await statBlob(context, A, digest), LARGE.length)
  t.equal(context.store.blobs.state(digest)?.verdict, 'whole')
  writeFileSync(context.store.layout.blobData(digest), Buffer.alloc(LARGE.length, 'rot!'))
  await t.rejects(statBlob(context, A, digest), { code: 'BLOB_UNKNOWN' })
})

t.test('a small wrong blob is refused before a byte is sent', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const digest = plantBlob(context.store, A, SMALL)
  writeFileSync(context.store.layout.blobData(digest), 'a wrong blob')
  await t.rejects(pullBlob(context, A, digest, false), { code: 'BLOB_UNKNOWN' })
})

t.test('a large wrong blob is sent without its end, and is unknown from then on', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const digest = plantBlob(context.store, A, LARGE)
  const wrong = Buffer.from(LARGE)
  wrong[17] = 0
  writeFileSync(context.store.layout.blobData(digest), wrong)
  let sent = 0
  const blob = await pullBlob(context, A, digest, false)
  await t.rejects(
    blob.send({ start: 0, end: blob.size }, async (chunk) => void (sent += chunk.byteLength)),
    { message: /not what its digest says/ },
  )
  await blob.close()
  t.ok(sent > 0 && sent <= LARGE.length - 64 * 1024, `${sent} bytes sent`)
  await t.rejects(pullBlob(context, A, digest, false), { code: 'BLOB_UNKNOWN' })
})

t.test('a part of a large blob that nobody hashed is verified before it is sent', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const digest = plantBlob(context.store, A, LARGE)
  const wrong = Buffer.from(LARGE)
  wrong[LARGE.length - 1] = 0
  writeFileSync(context.store.layout.blobData(digest), wrong)
  await t.rejects(pullBlob(context, A, digest, true), { code: 'BLOB_UNKNOWN' })
})

t.test('an empty blob is a blob', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const digest = plantBlob(context.store, A, Buffer.alloc(0))
  t.equal(await statBlob(context, A, digest), 0)
  t.equal((await receive(context, digest)).length, 0)
})

t.test('a sha512 alias of distribution gives the bytes that are stored under sha256', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const stored = plantBytes(context.store, SMALL)
  const alias = digestOf(SMALL, 'sha512')
  plantFile(context.store.layout.layerLink(A, alias), stored)
  t.equal(await statBlob(context, A, alias), SMALL.length)
  t.ok(SMALL.equals(await receive(context, alias)))
  const wrong = digestOf(LARGE, 'sha512')
  plantFile(context.store.layout.layerLink(A, wrong), stored)
  await t.rejects(statBlob(context, A, wrong), { code: 'BLOB_UNKNOWN' })
  t.equal(await statBlob(context, A, alias), SMALL.length, 'the lie did not harm the truth')
})
