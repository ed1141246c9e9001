// Bytes by digest. A blob that Tarn did not receive itself (tar, registry:2, a disk that rots) is hashed
// before it is promised and while it is first served (I5); see registry/pull-blob.ts for the serving.
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, digestOf, hexOf } from '../oci/digest.ts'
import type { Durable } from './durable.ts'
import type { Layout } from './layout.ts'
import type { FileFacts } from './stamp.ts'
import { factsOf, isNotThere, statFile } from './stamp.ts'
import type { Verdicts } from './verdicts.ts'

export interface OpenBlob {
  readonly handle: FileHandle
  readonly facts: FileFacts
  /** The digest that was asked for; what the bytes must hash to. */
  readonly digest: Digest
  readonly path: string
}

const CHUNK = 1024 * 1024

export class Blobs {
  readonly #layout: Layout
  readonly #durable: Durable
  readonly #verdicts: Verdicts
  readonly #flights = new Map<string, Promise<FileFacts | undefined>>()

  constructor(layout: Layout, durable: Durable, verdicts: Verdicts) {
    this.#layout = layout
    this.#durable = durable
    this.#verdicts = verdicts
  }

  /**
   * Whether the bytes of `digest` are here and right, from what is known without reading them: a blob that
   * nobody hashed yet is `unknown`. `stored` is the digest whose file holds them (a link may be an alias).
   */
  state(digest: Digest, stored: Digest = digest): { facts: FileFacts; verdict: 'whole' | 'unknown' } | undefined {
    const facts = statFile(this.#layout.blobData(stored))
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
    const path = this.#layout.blobData(stored)
    try {
      const handle = await open(path, 'r')
      const facts = factsOf(await handle.stat({ bigint: true }))
      if (this.#verdicts.of(digest, facts.stamp) !== 'suspect') return { handle, facts, digest, path }
      await handle.close()
    } catch (error) {
      if (!isNotThere(error)) throw error
    }
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
   * to be whole: those who read it now would see their file change.
   */
  async commit(uploadData: string, digest: Digest): Promise<void> {
    const path = this.#layout.blobData(digest)
    if (this.state(digest)?.verdict === 'whole' && (await this.#durable.hold(path)) !== undefined) return
    await this.#durable.moveIn(uploadData, path)
    this.#own(digest, path)
  }

  /** Stores small bytes (a manifest) under their digest; equal bytes that are there are kept. */
  async put(bytes: Uint8Array, digest: Digest): Promise<void> {
    const path = this.#layout.blobData(digest)
    if ((await this.ensureWhole(digest)) !== undefined && (await this.#durable.hold(path)) !== undefined) return
    await this.#durable.writeSmall('blob', path, bytes)
    this.#own(digest, path)
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
      const hash = createHash(algorithmOf(digest))
      const buffer = Buffer.allocUnsafeSlow(CHUNK)
      for (;;) {
        const { bytesRead } = await blob.handle.read(buffer, 0, CHUNK, null)
        if (bytesRead === 0) break
        hash.update(buffer.subarray(0, bytesRead))
      }
      const unchanged = await this.isUnchanged(blob)
      return (await this.judge(blob, hash.digest('hex'))) && unchanged ? blob.facts : undefined
    } finally {
      await blob.handle.close()
    }
  }
}
