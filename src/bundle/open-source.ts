// The bytes of a blob for a bundle, read from where they lie. Nothing corrupt goes out: a file that is not known to be
// right in the state in which it is read is hashed on the way, and what comes of it counts only when `finish` says so.
import { constants, fstatSync, readSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'
import { hashFile } from '../storage/hash-file.ts'
import type { HashThread } from '../storage/hash-thread.ts'
import type { Layout } from '../storage/layout.ts'
import type { Stamp } from '../storage/stamp.ts'
import { factsOf, isNotThere } from '../storage/stamp.ts'
import type { PickedBlob } from './picked.ts'
import type { PieceHash } from './piece-hash.ts'
import { hashHere, hashThere } from './piece-hash.ts'

// Not blocking: a pipe in the place of a blob would hold the reader for ever.
const READ = constants.O_RDONLY | constants.O_NONBLOCK

// Less is hashed in the time that it takes to ask the thread.
const SMALL = 512 * 1024

export interface SourceOptions {
  /** Only a slice of the blob is read. */
  readonly slice?: { readonly offset: number; readonly digest: Digest } | undefined
  /** Hashes what is large; it serves one blob at a time, and what is read into should be shared memory. */
  readonly thread?: HashThread | undefined
  /** This process serves nobody meanwhile: it may wait for the disk itself, which costs less than to let a thread wait. */
  readonly alone?: boolean | undefined
}

export class OpenSource {
  readonly #handle: FileHandle
  readonly #blob: PickedBlob
  readonly #options: SourceOptions
  readonly #stamp: Stamp
  readonly #writtenAt: bigint
  readonly #hash: PieceHash | undefined
  /** The hashing of the piece that was read last. */
  #hashing: Promise<void> | undefined
  #position: number

  private constructor(handle: FileHandle, blob: PickedBlob, options: SourceOptions) {
    const { slice, thread } = options
    const stat = fstatSync(handle.fd, { bigint: true })
    this.#handle = handle
    this.#blob = blob
    this.#options = options
    this.#stamp = factsOf(stat).stamp
    this.#writtenAt = stat.mtimeNs
    this.#position = slice?.offset ?? 0
    if (!stat.isFile() || Number(stat.size) !== blob.size) throw describeDamage(blob, 'its file has another size')
    const isKnown = slice === undefined && blob.whole && this.#stamp === blob.stamp
    if (isKnown) return
    const algorithm = algorithmOf(slice?.digest ?? blob.digest)
    this.#hash = thread === undefined || blob.size <= SMALL ? hashHere(algorithm) : hashThere(thread, algorithm)
  }

  /** Opens the blob to be read, or a slice of it. Throws a Problem when it is gone or has another size. */
  static async open(layout: Layout, blob: PickedBlob, options: SourceOptions = {}): Promise<OpenSource> {
    const handle = await openFirst([layout.blobData(blob.stored), layout.blobTrash(blob.stored)], blob)
    try {
      return new OpenSource(handle, blob, options)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /**
   * Fills as much of `into` as there is, and gives how much that was. The bytes must stay as they are until the next piece
   * was read or `finish` came back.
   */
  async read(into: Buffer): Promise<number> {
    const bytesRead = await this.#readNext(into)
    if (bytesRead === 0) throw describeDamage(this.#blob, 'its file became shorter while it was read')
    this.#position += bytesRead
    await this.#hashing
    this.#hashing = this.#hash?.update(into.subarray(0, bytesRead))
    // Whoever reads on is told.
    this.#hashing?.catch(() => undefined)
    return bytesRead
  }

  async #readNext(into: Buffer): Promise<number> {
    if (this.#options.alone === true) return readSync(this.#handle.fd, into, 0, into.byteLength, this.#position)
    return (await this.#handle.read(into, 0, into.byteLength, this.#position)).bytesRead
  }

  /** Throws a Problem unless what was read, all of the blob or of its slice, is right; closes the file in any case. */
  async finish(): Promise<void> {
    try {
      await this.#hashing
      if (this.#hash === undefined) return await this.#checkUnchanged()
      const { slice } = this.#options
      if ((await this.#hash.digest()) === hexOf(slice?.digest ?? this.#blob.digest)) return
      throw describeDamage(this.#blob, slice && 'its file was changed after the bundle was planned')
    } finally {
      await this.close()
    }
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  // Putting it into the trash and taking it out again changes its state too, and none of its bytes.
  async #checkUnchanged(): Promise<void> {
    const stat = await this.#handle.stat({ bigint: true })
    if (factsOf(stat).stamp === this.#stamp) return
    const hex = await hashFile(this.#handle, algorithmOf(this.#blob.digest))
    if (stat.mtimeNs !== this.#writtenAt || hex !== hexOf(this.#blob.digest)) {
      throw describeDamage(this.#blob, 'its file was changed while it was read')
    }
  }
}

async function openFirst(paths: readonly string[], blob: PickedBlob): Promise<FileHandle> {
  for (const path of paths) {
    try {
      return await open(path, READ)
    } catch (error) {
      if (!isNotThere(error)) throw error
    }
  }
  throw describeDamage(blob, 'its file is gone')
}

/** The problem of a blob that cannot go into a bundle. */
export function describeDamage(
  { digest }: Pick<PickedBlob, 'digest'>,
  why = 'its bytes are not what its digest says',
): Problem {
  return new Problem(`the blob ${digest} is damaged: ${why}`, {
    hint: 'see what is wrong and heal it: tarn check --repair; or leave out the images that need it',
  })
}
