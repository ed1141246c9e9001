// One blob on its way from an upstream to the disk, once, however many wait for it (I9). It outlives its clients, goes on
// after a broken connection where it stopped, from the next address too, and is whole only when all of its bytes hash to
// its digest; else nothing of it stays.
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isNoRoom } from '../storage/room.ts'
import type { UpstreamBlob } from '../upstream/read-blob.ts'
import type { UpstreamClient } from '../upstream/client.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import { GrowingFile } from './growing-file.ts'
import { WrongBytes } from './wrong-bytes.ts'

/** Where a blob can be had. */
export interface BlobSource {
  readonly client: Pick<UpstreamClient, 'getBlob' | 'host'>
  /** As the upstream spells it. */
  readonly repository: RepositoryName
}

export interface TransferParts {
  readonly digest: Digest
  /** From a descriptor, where one is known. */
  readonly size: number | undefined
  readonly path: string
  /** Addresses that gave wrong bytes for it before. */
  readonly avoid: readonly string[]
  /** Bytes of several sources did not make the blob before: now all must come from one. */
  readonly alone: boolean
  /** Asked when the size is known; throws where there is no room for that many bytes. */
  readonly requireRoom: (bytes: number) => void
  /** Called with the bytes of each piece that arrives. */
  readonly onBytes: (bytes: number) => void
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
  /** Milliseconds without a byte after which it is given up, before the first one and after it. */
  readonly patience: { readonly first: number; readonly later: number }
  readonly signal: AbortSignal
}

export type TransferState = 'running' | 'whole' | 'failed'

// Milliseconds between tries.
const PAUSES = [100, 300, 1000, 2000, 5000]
/** In the place of an address, for bytes that were there from an earlier life. */
const EARLIER = 'an earlier life'

export class Transfer {
  readonly digest: Digest
  /** Milliseconds that only run forward. */
  readonly startedAt: number
  readonly #parts: TransferParts
  readonly #sources: BlobSource[]
  readonly #sized = Promise.withResolvers<void>()
  #file: GrowingFile | undefined
  #size: number | undefined
  #state: TransferState = 'running'
  #failure: unknown
  #hash: Hash
  /** Bytes that were there from an earlier life. */
  #resumedFrom = 0
  /** The addresses of which the bytes are, in order. */
  #contributors: string[] = []

  constructor(parts: TransferParts, source: BlobSource) {
    this.#parts = parts
    this.digest = parts.digest
    this.#size = parts.size
    this.#sources = [source]
    this.#hash = createHash(algorithmOf(parts.digest))
    this.startedAt = parts.elapsed()
    this.#sized.promise.catch(() => undefined)
  }

  get state(): TransferState {
    return this.#state
  }

  /** What it failed with. */
  get failure(): unknown {
    return this.#failure
  }

  /** Bytes of the whole blob, as soon as somebody says. */
  get size(): number | undefined {
    return this.#size
  }

  /** The file that grows; after `sized`. */
  get file(): GrowingFile {
    if (this.#file === undefined) throw new Error('the transfer has no file yet')
    return this.#file
  }

  get resumedFrom(): number {
    return this.#resumedFrom
  }

  get received(): number {
    return this.#file?.size ?? 0
  }

  /** The host that it comes from. */
  get host(): string {
    return this.#sources[0]?.client.host ?? ''
  }

  /** Resolves when the upstream answered and the size is known (or the blob whole); rejects when it fails before. */
  sized(): Promise<void> {
    return this.#sized.promise
  }

  /** Another place that has the blob, for when the first one fails. */
  addSource(source: BlobSource): void {
    if (this.#sources.every(({ client, repository }) => client !== source.client || repository !== source.repository))
      this.#sources.push(source)
  }

  /** Runs to the end: afterwards the file holds the blob, or this throws: WrongBytes, another UpstreamError, the disk's. */
  async run(): Promise<void> {
    try {
      await mkdir(dirname(this.#parts.path), { recursive: true })
      this.#file = await GrowingFile.open(this.#parts.path)
      await this.#takeUp(this.#file)
      await this.#fetch(this.#file)
      await this.#file.settle()
      if (!this.#isRight) throw this.#wrong()
      if (!(await this.#file.isIntact())) throw new Error('somebody else wrote to the file of a transfer')
      this.#size = this.#file.size
      this.#state = 'whole'
      this.#sized.resolve()
      this.#file.tell()
    } catch (error) {
      await this.fail(error)
      throw error
    }
  }

  /** Ends the use of the file by whoever ran the transfer; readers have uses of their own. */
  async release(): Promise<void> {
    await this.#file?.release()
  }

  /** Ends it with `error` for all who wait, unless it ended already. */
  async fail(error: unknown): Promise<void> {
    if (this.#state !== 'running') return
    // What came is there for the next try; wrong bytes must not be, nor what fills a full disk, nor nothing.
    await this.#file?.settle().catch(() => undefined)
    if (error instanceof WrongBytes || isNoRoom(error) || this.received === 0)
      await rm(this.#parts.path, { force: true }).catch(() => undefined)
    this.#failure = error
    this.#state = 'failed'
    this.#sized.reject(error)
    this.#file?.tell()
  }

  // What an earlier life left is hashed again; the end of the blob shows whether it was right.
  async #takeUp(file: GrowingFile): Promise<void> {
    if (file.size === 0) return
    if (this.#parts.alone || (this.#size !== undefined && file.size > this.#size)) {
      await file.empty()
      return
    }
    const buffer = Buffer.allocUnsafeSlow(1024 * 1024)
    for (let position = 0; position < file.size;) {
      this.#parts.signal.throwIfAborted()
      const { bytesRead } = await file.handle.read(buffer, 0, buffer.length, position)
      if (bytesRead === 0) throw new Error('the file of a transfer became shorter while it was read')
      this.#hash.update(buffer.subarray(0, bytesRead))
      position += bytesRead
    }
    this.#resumedFrom = file.size
    this.#contributors = [EARLIER]
  }

  // Whether what is here is the blob.
  get #isRight(): boolean {
    return this.#hash.copy().digest('hex') === hexOf(this.digest)
  }

  async #fetch(file: GrowingFile): Promise<void> {
    if (file.size > 0 && this.#isRight) return
    const { elapsed, patience, signal } = this.#parts
    let [tries, had, since] = [0, file.size, elapsed()]
    while (this.#size === undefined || file.size < this.#size) {
      try {
        await this.#receive(file)
        if (this.#size === undefined) return
      } catch (error) {
        signal.throwIfAborted()
        if (file.size > had) [tries, had, since] = [0, file.size, elapsed()]
        if (isBeyondEnd(error) && this.#size === undefined) {
          // Nobody reads from it before its size is known.
          await this.#beginAnew(file)
          continue
        }
        // Another place may have what this one has not, or does not give.
        const next = this.#sources.length > 1 ? this.#sources.shift() : undefined
        if (!isPassing(error)) {
          if (!(error instanceof UpstreamError) || error instanceof WrongBytes || next === undefined) throw error
          continue
        }
        if (next !== undefined) this.#sources.push(next)
        const pause = Math.max(PAUSES[Math.min(tries, PAUSES.length - 1)] ?? 0, error.retryAfter ?? 0)
        if (elapsed() - since + pause > (this.#hasBegun ? patience.later : patience.first)) throw error
        tries += 1
        await sleep(pause, undefined, { signal, ref: false })
      }
    }
  }

  async #beginAnew(file: GrowingFile): Promise<void> {
    await file.empty()
    this.#hash = createHash(algorithmOf(this.digest))
    this.#resumedFrom = 0
    this.#contributors = []
  }

  // Clients wait in the middle of an answer: that is worth more patience than one that did not begin.
  get #hasBegun(): boolean {
    return this.received > this.#resumedFrom
  }

  async #receive(file: GrowingFile): Promise<void> {
    const { digest, avoid, signal } = this.#parts
    const [source] = this.#sources as [BlobSource]
    await file.settle()
    const blob = await source.client.getBlob({
      repository: source.repository,
      digest,
      avoid,
      offset: file.size,
      signal,
      ...(this.#size !== undefined && { size: this.#size }),
    })
    try {
      this.#noteSource(blob.source, file.size)
      this.#learnSize(blob)
      await this.#append(file, blob)
    } finally {
      blob.body.destroy()
    }
  }

  #noteSource(url: string, have: number): void {
    const last = this.#contributors.at(-1)
    if (url === last) return
    // The one that broke off is more likely to be at fault than the one that goes on.
    if (this.#parts.alone && have > 0) throw new WrongBytes(this.digest, last)
    this.#contributors = [...(have > 0 ? this.#contributors : []), url]
  }

  #learnSize({ total }: UpstreamBlob): void {
    if (this.#size === undefined && total !== undefined) this.#size = total
    if (this.#size === undefined) return
    this.#parts.requireRoom(this.#size - this.received)
    this.#sized.resolve()
  }

  async #append(file: GrowingFile, blob: UpstreamBlob): Promise<void> {
    // An upstream without Range begins again: what is here already is passed over.
    let skip = file.size - blob.from
    const { body } = blob
    for await (const piece of body) {
      this.#parts.onBytes(piece.length)
      const rest = piece.subarray(Math.min(skip, piece.length))
      skip -= piece.length - rest.length
      if (rest.length === 0) {
        body.free(piece)
        continue
      }
      // Hashed while the disk has its turn already.
      const room = file.append(rest, () => body.free(piece))
      this.#hash.update(rest)
      await room
    }
    await file.settle()
  }

  // Of several who gave bytes nobody can say whose were wrong.
  #wrong(): WrongBytes {
    const [first, ...others] = this.#contributors
    return new WrongBytes(this.digest, others.length === 0 && first !== EARLIER ? first : undefined)
  }
}

/** Whether it may be over in a moment. */
function isPassing(error: unknown): error is UpstreamError {
  return error instanceof UpstreamError && ['unreachable', 'limited', 'failed'].includes(error.kind)
}

function isBeyondEnd(error: unknown): boolean {
  return error instanceof UpstreamError && error.status === 416
}
