// The bytes of a blob for a bundle, read from where they lie. Nothing corrupt goes out: a file that is not known to be
// right in the state in which it is read is hashed on the way, and what comes of it counts only when `finish` says so.
import type { Hash } from 'node:crypto'
import { createHash } from 'node:crypto'
import { constants, fstatSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { Problem } from '../config/problem.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'
import { hashFile } from '../storage/hash-file.ts'
import type { Layout } from '../storage/layout.ts'
import type { Stamp } from '../storage/stamp.ts'
import { factsOf, isNotThere } from '../storage/stamp.ts'
import type { PickedBlob } from './picked.ts'

// Not blocking: a pipe in the place of a blob would hold the reader for ever.
const READ = constants.O_RDONLY | constants.O_NONBLOCK

export class OpenSource {
  readonly #handle: FileHandle
  readonly #blob: PickedBlob
  readonly #stamp: Stamp
  readonly #writtenAt: bigint
  readonly #hash: Hash | undefined
  #position: number

  private constructor(handle: FileHandle, blob: PickedBlob, offset: number, isPart: boolean) {
    const stat = fstatSync(handle.fd, { bigint: true })
    this.#handle = handle
    this.#blob = blob
    this.#stamp = factsOf(stat).stamp
    this.#writtenAt = stat.mtimeNs
    this.#position = offset
    if (!stat.isFile() || Number(stat.size) !== blob.size) throw describeDamage(blob, 'its file has another size')
    // Of a part of it the hash of the whole says nothing; whoever reads a part knows the hash of that.
    const isKnown = blob.whole && this.#stamp === blob.stamp
    this.#hash = isKnown || isPart ? undefined : createHash(algorithmOf(blob.digest))
  }

  /** Opens the blob to be read from `offset` on. Throws a Problem when it is gone or has another size. */
  static async open(layout: Layout, blob: PickedBlob, offset = 0, isPart = false): Promise<OpenSource> {
    const handle = await openFirst([layout.blobData(blob.stored), layout.blobTrash(blob.stored)], blob)
    try {
      return new OpenSource(handle, blob, offset, isPart)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Fills as much of `into` as there is, and gives how much that was. */
  async read(into: Buffer): Promise<number> {
    const { bytesRead } = await this.#handle.read(into, 0, into.byteLength, this.#position)
    if (bytesRead === 0) throw describeDamage(this.#blob, 'its file became shorter while it was read')
    this.#position += bytesRead
    this.#hash?.update(into.subarray(0, bytesRead))
    return bytesRead
  }

  /** Throws a Problem unless what was read of the whole blob is right; closes the file in any case. */
  async finish(): Promise<void> {
    try {
      if (this.#hash !== undefined) {
        if (this.#hash.digest('hex') !== hexOf(this.#blob.digest)) throw describeDamage(this.#blob)
      } else await this.#checkUnchanged()
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
