// Bytes by digest. A blob that Tarn did not receive itself (tar, registry:2, a disk that rots) is hashed
// before it is promised and while it is first served (I5); see registry/pull-blob.ts for the serving.
import { constants, linkSync, renameSync, rmdirSync, statSync, unlinkSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { move } from 'fs-extra/esm'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, digestOf, hexOf } from '../oci/digest.ts'
import type { Durable } from './durable.ts'
import { hashFile } from './hash-file.ts'
import type { Layout } from './layout.ts'
import type { LeaseTable } from './leases.ts'
import { Mutex } from './mutex.ts'
import type { FileFacts, Stamp } from './stamp.ts'
import { factsOf, isNotThere, statFile } from './stamp.ts'
import type { Verdicts } from './verdicts.ts'

export interface OpenBlob {
  readonly handle: FileHandle
  readonly facts: FileFacts
  /** When the bytes were last written, as the file says; only to notice a write after the opening. */
  readonly mtimeNs: bigint
  /** The digest that was asked for; what the bytes must hash to. */
  readonly digest: Digest
  readonly path: string
}

// What file systems without hard links say, and full ones: on a tmpfs a link takes an inode.
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSPC', 'EDQUOT'])

export interface BlobsParts {
  readonly layout: Layout
  readonly durable: Durable
  readonly verdicts: Verdicts
  readonly leases: Pick<LeaseTable, 'isFree'>
  /** Whether a blob that is asked for may be taken out of the trash now. */
  readonly mayRestore: () => boolean
}

export class Blobs {
  readonly #layout: Layout
  readonly #durable: Durable
  readonly #verdicts: Verdicts
  readonly #leases: Pick<LeaseTable, 'isFree'>
  readonly #mayRestore: () => boolean
  /** Exclusion of those who put or take the file of a digest. */
  readonly #changes = new Mutex()
  readonly #flights = new Map<string, Promise<FileFacts | undefined>>()

  constructor({ layout, durable, verdicts, leases, mayRestore }: BlobsParts) {
    this.#layout = layout
    this.#durable = durable
    this.#verdicts = verdicts
    this.#leases = leases
    this.#mayRestore = mayRestore
  }

  /**
   * Whether the bytes of `digest` are here and right, from what is known without reading them: a blob that
   * nobody hashed yet is `unknown`. `stored` is the digest whose file holds them (a link may be an alias).
   */
  state(digest: Digest, stored: Digest = digest): { facts: FileFacts; verdict: 'whole' | 'unknown' } | undefined {
    const path = this.#layout.blobData(stored)
    const facts = statFile(path) ?? (this.restore(stored) ? statFile(path) : undefined)
    if (facts === undefined) return undefined
    const verdict = this.#verdicts.of(digest, facts.stamp)
    return verdict === 'suspect' ? undefined : { facts, verdict }
  }

  /**
   * Facts of the blob when its bytes hash to `digest`; they are read if nobody has done so in this state
   * of the file, by one reader however many ask. Undefined when it is absent, changing or something else.
   */
  async ensureWhole(digest: Digest, stored: Digest = digest): Promise<FileFacts | undefined> {
    const state = this.state(digest, stored)
    if (state === undefined || state.verdict === 'whole') return state?.facts
    const key = `${digest} ${state.facts.stamp}`
    let flight = this.#flights.get(key)
    if (flight === undefined) {
      flight = this.#hash(digest, stored).finally(() => this.#flights.delete(key))
      this.#flights.set(key, flight)
    }
    return flight
  }

  /** Opens the blob for reading; undefined when it is absent or suspect. The caller closes the handle. */
  async open(digest: Digest, stored: Digest = digest): Promise<OpenBlob | undefined> {
    const blob = await this.#openData(digest, stored)
    return blob === undefined && this.restore(stored) ? this.#openData(digest, stored) : blob
  }

  async #openData(digest: Digest, stored: Digest): Promise<OpenBlob | undefined> {
    const path = this.#layout.blobData(stored)
    let handle: FileHandle | undefined
    try {
      // Not blocking: a pipe in the place of a blob would hold the thread for ever.
      handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
      const stat = await handle.stat({ bigint: true })
      const facts = factsOf(stat)
      if (stat.isFile() && this.#verdicts.of(digest, facts.stamp) !== 'suspect') {
        return { handle, facts, mtimeNs: stat.mtimeNs, digest, path }
      }
    } catch (error) {
      if (!isNotThere(error)) {
        await handle?.close()
        throw error
      }
    }
    await handle?.close()
    return undefined
  }

  isWhole(blob: OpenBlob): boolean {
    return this.#verdicts.of(blob.digest, blob.facts.stamp) === 'whole'
  }

  /** Says whether the file is still in the state in which it was opened. */
  async isUnchanged(blob: OpenBlob): Promise<boolean> {
    return factsOf(await blob.handle.stat({ bigint: true })).stamp === blob.facts.stamp
  }

  /**
   * Says whether an open file whose stamp moved was only replaced: another file has its name now (tar unlinks before it
   * writes), and its own bytes were not written to since it was opened. Anything else may have changed what was sent.
   */
  async isOnlyReplaced(blob: OpenBlob): Promise<boolean> {
    const [open, named] = [
      await blob.handle.stat({ bigint: true }),
      statSync(blob.path, { bigint: true, throwIfNoEntry: false }),
    ]
    if (open.mtimeNs !== blob.mtimeNs || named?.ino === open.ino) return false
    return (await hashFile(blob.handle, algorithmOf(blob.digest))) === hexOf(blob.digest)
  }

  /**
   * Takes the hash of all bytes that were read from an open blob and keeps the verdict, if the file stood
   * still meanwhile. True when the bytes are the blob.
   */
  async judge(blob: OpenBlob, hex: string): Promise<boolean> {
    const right = hex === hexOf(blob.digest)
    if (await this.isUnchanged(blob)) {
      if (right) this.#verdicts.markWhole(blob.digest, blob.facts, false)
      else this.#verdicts.markSuspect(blob.digest, blob.path, blob.facts)
    }
    return right
  }

  /**
   * Makes a finished upload, whose bytes hash to `digest`, the blob. It replaces what is there, unless that is known
   * to be whole: those who read it now would see their file change. `isSynced`: its bytes are known to be on the disk.
   */
  async commit(uploadData: string, digest: Digest, isSynced = false): Promise<void> {
    const path = this.#layout.blobData(digest)
    await this.#changes.run(digest, async () => {
      if (this.state(digest)?.verdict === 'whole' && (await this.#durable.hold(path)) !== undefined) return
      await this.#durable.moveIn(uploadData, path, isSynced)
      this.#own(digest, path)
    })
  }

  /** Stores small bytes (a manifest) under their digest; equal bytes that are there are kept. */
  async put(bytes: Uint8Array, digest: Digest): Promise<void> {
    const path = this.#layout.blobData(digest)
    await this.#changes.run(digest, async () => {
      // A file that cannot be read is one to be replaced.
      const facts = await this.ensureWhole(digest).catch(() => undefined)
      if (facts !== undefined && (await this.#durable.hold(path)) !== undefined) return
      await this.#durable.writeSmall('blob', path, bytes)
      this.#own(digest, path)
    })
  }

  /**
   * Takes the blob out of the trash, because a link leads to it after all (a tar that brings links and keeps older
   * files, for one). False when it is not in the trash, or a file stands in its place already.
   */
  restore(stored: Digest): boolean {
    const trash = this.#layout.blobTrash(stored)
    if (statFile(trash) === undefined || !this.#mayRestore()) return false
    try {
      // Not a rename: a push may have put a good file there a moment ago.
      linkSync(trash, this.#layout.blobData(stored))
      unlinkSync(trash)
      return true
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      if (code === 'EEXIST') return true
      if (!NO_LINKS.has(code)) return false
    }
    try {
      renameSync(trash, this.#layout.blobData(stored))
      return true
    } catch {
      return false
    }
  }

  /**
   * Puts the file of `digest` into the trash, where reading it finds it again. Synchronous, so that nothing comes
   * between the question whether somebody was promised it and the act. False when it is not free, or not in the state
   * `stamp` any more.
   */
  trash(digest: Digest, stamp: Stamp): boolean {
    const path = this.#layout.blobData(digest)
    if (!this.#leases.isFree(digest) || statFile(path)?.stamp !== stamp) return false
    const trash = this.#layout.blobTrash(digest)
    renameSync(path, trash)
    // A crash while it was given back leaves two names of one file, and renaming one to the other does nothing. Another
    // file is one that somebody (a tar) put there since.
    if (isSameFile(path, trash)) unlinkSync(path)
    return true
  }

  /** Deletes what lies in the trash in the state `stamp`, with the blob's directory when that is empty; false when not. */
  async deleteTrashed(digest: Digest, stamp: Stamp): Promise<boolean> {
    const path = this.#layout.blobTrash(digest)
    return this.#changes.run(digest, async () => {
      if (!this.#leases.isFree(digest) || statFile(path)?.stamp !== stamp) return false
      unlinkSync(path)
      try {
        rmdirSync(this.#layout.blob(digest))
      } catch {
        // Something else lies there.
      }
      return true
    })
  }

  /** Moves the file of `digest` to `target` if it is still in the state `stamp`; a push that came first is safe. */
  async setAside(digest: Digest, stamp: Stamp, target: string): Promise<boolean> {
    const path = this.#layout.blobData(digest)
    return this.#changes.run(digest, async () => {
      if (statFile(path)?.stamp !== stamp) return false
      await move(path, target)
      return true
    })
  }

  /** Makes a blob that an answer is going to promise survive a power cut; false when it is not here. */
  async hold(stored: Digest): Promise<boolean> {
    return (await this.#durable.hold(this.#layout.blobData(stored))) !== undefined
  }

  /** The whole bytes of a small blob (a manifest) when they hash to `digest`, else undefined. */
  async readSmall(digest: Digest, stored: Digest, most: number): Promise<Uint8Array | undefined> {
    const blob = await this.open(digest, stored)
    if (blob === undefined) return undefined
    try {
      if (blob.facts.size > most) return undefined
      const bytes = await blob.handle.readFile()
      return (await this.judge(blob, hexOf(digestOf(bytes, algorithmOf(digest))))) ? bytes : undefined
    } finally {
      await blob.handle.close()
    }
  }

  #own(digest: Digest, path: string): void {
    const facts = statFile(path)
    if (facts !== undefined) this.#verdicts.markWhole(digest, facts, true)
  }

  async #hash(digest: Digest, stored: Digest): Promise<FileFacts | undefined> {
    const blob = await this.open(digest, stored)
    if (blob === undefined) return undefined
    try {
      const hex = await hashFile(blob.handle, algorithmOf(digest))
      const unchanged = await this.isUnchanged(blob)
      return (await this.judge(blob, hex)) && unchanged ? blob.facts : undefined
    } finally {
      await blob.handle.close()
    }
  }
}

function isSameFile(path: string, other: string): boolean {
  const [one, two] = [path, other].map((each) => statSync(each, { bigint: true, throwIfNoEntry: false }))
  return one !== undefined && one.ino === two?.ino
}
