// Brings bytes from elsewhere into a private file below `.tarn/tmp`, hashing them on the way: only what hashes right can
// become a blob. What is left after a crash is dropped when the directory is next kept.
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, rm } from 'node:fs/promises'
import type { Digest } from '../../oci/digest.ts'
import { algorithmOf, hexOf } from '../../oci/digest.ts'
import { appendStream } from '../append.ts'
import type { Store } from '../store.ts'
import { childOf } from '../layout.ts'
import type { Guard } from './guard.ts'
import { untilAborted } from './guard.ts'

/**
 * Makes the bytes the blob `digest` if that is what they hash to; false when they are something else, or more than
 * `size` bytes where that is known. Throws what the disk says, what `bytes` throws, and what `guard` does.
 */
export async function takeIn(
  { layout, blobs }: Pick<Store, 'layout' | 'blobs'>,
  digest: Digest,
  bytes: AsyncIterable<Uint8Array>,
  size: number | undefined,
  guard: Guard,
): Promise<boolean> {
  guard.require()
  const path = childOf(layout.tmp, `heal-${randomUUID()}`)
  try {
    await mkdir(layout.tmp, { recursive: true })
    const hash = createHash(algorithmOf(digest))
    const handle = await open(path, 'wx', 0o666)
    try {
      const { broken } = await appendStream(handle, 0, limit(untilAborted(bytes, guard.signal), size), hash)
      if (broken instanceof TooMuch) return false
      if (broken !== undefined) throw broken
    } finally {
      await handle.close()
    }
    if (hash.digest('hex') !== hexOf(digest)) return false
    guard.require()
    await blobs.commit(path, digest)
    return true
  } finally {
    await rm(path, { force: true })
  }
}

/** What `limit` throws. */
export class TooMuch extends Error {}

/** Passes on at most `size` bytes. */
export async function* limit(bytes: AsyncIterable<Uint8Array>, size = Infinity): AsyncGenerator<Uint8Array> {
  let left = size
  for await (const chunk of bytes) {
    left -= chunk.byteLength
    if (left < 0) throw new TooMuch('it is longer than it should be')
    yield chunk
  }
}
