import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { sendBlob } from '../../src/storage/read-blob.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, makeStore, pushBytes } from '../helpers/store.ts'

const BYTES = Buffer.alloc(300_000, 'tarn')

/** Puts bytes where another program would have, under a name that they may not have earned. */
function plant(store: TestStore, digest: Digest, bytes: Uint8Array): string {
  const path = store.layout.blobData(digest)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
  return path
}

async function receive(store: TestStore, digest: Digest): Promise<{ bytes: Buffer; error?: unknown }> {
  const blob = await store.blobs.open(digest)
  if (blob === undefined) return { bytes: Buffer.alloc(0), error: 'absent' }
  const chunks: Buffer[] = []
  try {
    const range = { start: 0, end: blob.facts.size }
    await sendBlob(store.blobs, blob, range, store.blobs.isWhole(blob), async (chunk) => {
      chunks.push(Buffer.from(chunk))
    })
    return { bytes: Buffer.concat(chunks) }
  } catch (error) {
    return { bytes: Buffer.concat(chunks), error }
  } finally {
    await blob.handle.close()
  }
}

t.test('what was pushed is known to be whole', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = await pushBytes(store, A, BYTES)
  t.equal(store.blobs.state(digest)?.verdict, 'whole')
})

t.test('what another program brought is hashed when it is asked for, and then known', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = digestOf(BYTES)
  plant(store, digest, BYTES)
  t.equal(store.blobs.state(digest)?.verdict, 'unknown')
  t.equal((await store.blobs.ensureWhole(digest))?.size, BYTES.length)
  t.equal(store.blobs.state(digest)?.verdict, 'whole')
})

t.test('many who ask at once share one reading', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = digestOf(BYTES)
  plant(store, digest, BYTES)
  const answers = await Promise.all(Array.from({ length: 20 }, () => store.blobs.ensureWhole(digest)))
  t.equal(new Set(answers).size, 1, 'the very same answer')
})

t.test('wrong bytes are absent, and their file is left alone', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = digestOf(BYTES)
  const path = plant(store, digest, Buffer.alloc(300_000, 'rot!'))
  t.equal(await store.blobs.ensureWhole(digest), undefined)
  t.equal(store.blobs.state(digest), undefined)
  t.equal(await store.blobs.open(digest), undefined)
  t.equal(statSync(path).size, 300_000)
})

t.test('new content with the old size, mtime and even inode is seen by its ctime', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = digestOf(BYTES)
  const path = plant(store, digest, BYTES)
  utimesSync(path, 1000, 1000)
  await store.blobs.ensureWhole(digest)
  const before = statSync(path)
  writeFileSync(path, Buffer.alloc(300_000, 'rot!'))
  utimesSync(path, 1000, 1000)
  t.same([statSync(path).ino, statSync(path).mtimeMs], [before.ino, before.mtimeMs], 'the ground of this test')
  t.equal(store.blobs.state(digest)?.verdict, 'unknown')
  t.equal(await store.blobs.ensureWhole(digest), undefined)
})

t.test('a suspect is read again when its file changed, and heals', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = digestOf(BYTES)
  const path = plant(store, digest, BYTES.subarray(0, 1000))
  t.equal(await store.blobs.ensureWhole(digest), undefined, 'a tar is still extracting')
  writeFileSync(path, BYTES)
  t.equal((await store.blobs.ensureWhole(digest))?.size, BYTES.length)
})

t.test('a file that changed just now is not remembered as whole', async (t) => {
  const store = makeStore(t.testdir({}))
  store.turn(-10_000)
  const digest = digestOf(BYTES)
  plant(store, digest, BYTES)
  t.equal((await store.blobs.ensureWhole(digest))?.size, BYTES.length)
  t.equal(store.blobs.state(digest)?.verdict, 'unknown', 'it could change again within the same tick')
})

t.test('a push replaces a torn blob', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = digestOf(BYTES)
  const path = plant(store, digest, BYTES.subarray(0, 7))
  t.equal(await pushBytes(store, A, BYTES), digest)
  t.ok(readFileSync(path).equals(BYTES))
})

t.test('a push of a blob that is known to be whole does not disturb who is reading it', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = await pushBytes(store, A, BYTES)
  const blob = await store.blobs.open(digest)
  if (blob === undefined) throw new Error('absent')
  await pushBytes(store, A, BYTES)
  t.equal(await store.blobs.isUnchanged(blob), true)
  await blob.handle.close()
})

t.test('putting small bytes keeps an equal file and replaces a wrong one', async (t) => {
  const store = makeStore(t.testdir({}))
  const [right, wrong] = [Buffer.from('right'), Buffer.from('wrong')]
  const path = plant(store, digestOf(right), right)
  const { ino } = statSync(path)
  await store.blobs.put(right, digestOf(right))
  t.equal(statSync(path).ino, ino)
  const other = plant(store, digestOf(wrong), right)
  await store.blobs.put(wrong, digestOf(wrong))
  t.equal(readFileSync(other, 'utf8'), 'wrong')
})

t.test('small bytes are read only when they are what the digest says, and not too many', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = digestOf(BYTES)
  plant(store, digest, BYTES)
  t.ok(Buffer.from((await store.blobs.readSmall(digest, digest, 300_000)) ?? []).equals(BYTES))
  t.equal(await store.blobs.readSmall(digest, digest, 299_999), undefined)
  plant(store, digest, Buffer.from('wrong'))
  t.equal(await store.blobs.readSmall(digest, digest, 300_000), undefined)
})

t.test('sending right bytes that nobody hashed proves them on the way', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = digestOf(BYTES)
  plant(store, digest, BYTES)
  const { bytes, error } = await receive(store, digest)
  t.equal(error, undefined)
  t.ok(bytes.equals(BYTES))
  t.equal(store.blobs.state(digest)?.verdict, 'whole')
})

t.test('of wrong bytes the last 64 KiB never leave', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = digestOf(BYTES)
  plant(store, digest, Buffer.alloc(300_000, 'rot!'))
  const { bytes, error } = await receive(store, digest)
  t.match(error, /not what its digest says/)
  t.equal(bytes.length, 300_000 - 65_536)
  t.equal(store.blobs.state(digest), undefined, 'and the blob is suspect')
})

t.test('of a small wrong blob not one byte leaves', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = digestOf(Buffer.from('a'))
  plant(store, digest, Buffer.from('b'))
  const { bytes, error } = await receive(store, digest)
  t.match(error, /not what its digest says/)
  t.equal(bytes.length, 0)
})

t.test('a blob known to be whole that changes while it is sent does not end', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = await pushBytes(store, A, BYTES)
  const blob = await store.blobs.open(digest)
  if (blob === undefined) throw new Error('absent')
  let sent = 0
  const sending = sendBlob(store.blobs, blob, { start: 0, end: BYTES.length }, true, async (chunk) => {
    sent += chunk.byteLength
    writeFileSync(store.layout.blobData(digest), Buffer.alloc(300_000, 'rot!'))
  })
  await t.rejects(sending, /not what its digest says/)
  t.ok(sent < BYTES.length)
  await blob.handle.close()
})

t.test('a blob that is cut short while it is sent does not end', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = await pushBytes(store, A, BYTES)
  const blob = await store.blobs.open(digest)
  if (blob === undefined) throw new Error('absent')
  truncateSync(store.layout.blobData(digest), 10)
  await t.rejects(sendBlob(store.blobs, blob, { start: 0, end: BYTES.length }, true, async () => undefined))
  await blob.handle.close()
})

t.test('a blob that is replaced while it is sent is sent as it was opened', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = await pushBytes(store, A, BYTES)
  const blob = await store.blobs.open(digest)
  if (blob === undefined) throw new Error('absent')
  const path = store.layout.blobData(digest)
  writeFileSync(`${path}.new`, 'other')
  renameSync(`${path}.new`, path)
  const chunks: Buffer[] = []
  // The name is gone from the inode, which moves its ctime: the bytes are hashed, so that they can still be sent.
  await sendBlob(store.blobs, blob, { start: 0, end: BYTES.length }, false, async (chunk) => {
    chunks.push(Buffer.from(chunk))
  })
  t.ok(Buffer.concat(chunks).equals(BYTES))
  await blob.handle.close()
})

/** Sends a blob that is known to be whole, and does something to its file after the first piece. */
async function sendWhile(store: TestStore, digest: Digest, act: (path: string) => void): Promise<Buffer> {
  const blob = await store.blobs.open(digest)
  if (blob === undefined) throw new Error('absent')
  const chunks: Buffer[] = []
  try {
    await sendBlob(store.blobs, blob, { start: 0, end: blob.facts.size }, true, async (chunk) => {
      if (chunks.length === 0) act(blob.path)
      chunks.push(Buffer.from(chunk))
    })
  } finally {
    await blob.handle.close()
  }
  return Buffer.concat(chunks)
}

t.test('a blob whose name gets another file while it is sent, as by tar, is sent to its end', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = await pushBytes(store, A, BYTES)
  const bytes = await sendWhile(store, digest, (path) => {
    rmSync(path)
    writeFileSync(path, BYTES)
  })
  t.ok(bytes.equals(BYTES))
})

t.test(
  'a blob that is written to while it is sent does not end, though its bytes are right again by then',
  async (t) => {
    const store = makeStore(t.testdir({}))
    const digest = await pushBytes(store, A, BYTES)
    const sending = sendWhile(store, digest, (path) => {
      writeFileSync(path, Buffer.alloc(300_000, 'rot!'))
      writeFileSync(path, BYTES)
    })
    await t.rejects(sending, /not what its digest says/)
  },
)

t.test('of two first pushes of a blob the second leaves the file of the first alone', async (t) => {
  const store = makeStore(t.testdir({}))
  const [one] = await Promise.all([pushBytes(store, A, BYTES), pushBytes(store, B, BYTES)])
  const { ino } = statSync(store.layout.blobData(one))
  await pushBytes(store, B, BYTES)
  t.equal(statSync(store.layout.blobData(one)).ino, ino)
})

t.test('a file is set aside only in the state in which it was found wrong', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = digestOf(BYTES)
  plant(store, digest, Buffer.alloc(300_000, 'rot!'))
  const stamp = store.blobs.state(digest)?.facts.stamp
  if (stamp === undefined) throw new Error('absent')
  const target = store.layout.quarantined(digest, 1)
  const [, moved] = await Promise.all([pushBytes(store, A, BYTES), store.blobs.setAside(digest, stamp, target)])
  t.equal(store.blobs.state(digest)?.verdict ?? 'gone', 'whole', `moved: ${moved}`)
  t.equal(await store.blobs.setAside(digest, stamp, target), false)
})

t.test('a pipe or a directory in the place of a blob is no blob', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = digestOf(BYTES)
  const path = store.layout.blobData(digest)
  mkdirSync(dirname(path), { recursive: true })
  execFileSync('mkfifo', [path])
  t.equal(await store.blobs.open(digest), undefined)
  rmSync(path)
  mkdirSync(path)
  t.equal(await store.blobs.open(digest), undefined)
})
