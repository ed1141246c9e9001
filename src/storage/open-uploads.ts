// The table of uploads under way, so that nobody has to search the directory for them: filled by `begin`, by requests
// for uploads of an earlier life, and by one walk after the start. It is for counting and for choosing what to drop;
// whether an upload is there, and how far, only the directory says (I2).
import type { RepositoryName } from '../oci/name.ts'
import type { UploadId } from './upload-id.ts'

export interface UploadLimits {
  /** Uploads of one user to which nobody is sending; all without login are one user. */
  readonly perUser: number
  /** The same of all together. */
  readonly total: number
}

/** Whose an upload is: a user's name, `anonymous`, or nobody's that we know (another program's, or of an earlier life). */
export type Owner = { readonly user: string } | 'anonymous' | 'unknown'

export interface OpenUpload {
  readonly name: RepositoryName
  readonly id: UploadId
  readonly owner: Owner
  /** When bytes came last, in milliseconds since 1970. */
  readonly activeAt: number
  /** When it was last refused for lack of room, in milliseconds since 1970. */
  readonly refusedAt?: number
  /** Requests that send to it or end it now. */
  readonly senders: number
}

type Entry = { -readonly [K in keyof OpenUpload]: OpenUpload[K] }
type Key = Pick<OpenUpload, 'name' | 'id'>

export class OpenUploads {
  readonly #entries = new Map<string, Entry>()
  /** How many wait for their sender, by owner. */
  readonly #waiting = new Map<string, number>()
  #sending = 0

  has(key: Key): boolean {
    return this.#entries.has(keyOf(key))
  }

  /** Adds an upload to which nobody sends yet; one that is known stays as it is. */
  add({ name, id }: Key, owner: Owner, activeAt: number): void {
    if (this.has({ name, id })) return
    this.#entries.set(keyOf({ name, id }), { name, id, owner, activeAt, senders: 0 })
    this.#count(owner, 1)
  }

  remove(key: Key): void {
    const entry = this.#entries.get(keyOf(key))
    if (entry === undefined) return
    this.#entries.delete(keyOf(key))
    if (entry.senders > 0) this.#sending -= 1
    else this.#count(entry.owner, -1)
  }

  /** Notes that a request sends to the upload or ends it; gives the function that notes the end of that. */
  enter(key: Key, clock: () => number): () => void {
    const entry = this.#entries.get(keyOf(key))
    if (entry === undefined) return () => undefined
    entry.senders += 1
    if (entry.senders === 1) {
      this.#sending += 1
      this.#count(entry.owner, -1)
    }
    return () => {
      entry.senders -= 1
      entry.activeAt = clock()
      if (entry.senders > 0 || this.#entries.get(keyOf(key)) !== entry) return
      this.#sending -= 1
      this.#count(entry.owner, 1)
    }
  }

  isSending(key: Key): boolean {
    return (this.#entries.get(keyOf(key))?.senders ?? 0) > 0
  }

  /** Takes over when bytes came last, as the directory says. */
  note(key: Key, activeAt: number): void {
    const entry = this.#entries.get(keyOf(key))
    if (entry !== undefined) entry.activeAt = activeAt
  }

  /** Notes that there was no room for more of it at `time`: few clients come back to such an upload. */
  refuse(key: Key, time: number): void {
    const entry = this.#entries.get(keyOf(key))
    if (entry !== undefined) entry.refusedAt = time
  }

  list(): OpenUpload[] {
    return [...this.#entries.values()]
  }

  count(): { readonly sending: number; readonly waiting: number } {
    return { sending: this.#sending, waiting: this.#entries.size - this.#sending }
  }

  /**
   * Which limit one more upload of `owner` would break. Uploads to which somebody is sending are not counted: those
   * are bounded by the connections, and a client with many of them at once is at work and must not be refused.
   */
  brokenLimit(owner: Owner, { perUser, total }: UploadLimits): 'user' | 'total' | undefined {
    if (owner !== 'unknown' && (this.#waiting.get(ownerKey(owner)) ?? 0) >= perUser) return 'user'
    return this.count().waiting >= total ? 'total' : undefined
  }

  /**
   * The upload to which nothing came for the longest time, among those that were left alone since before `before` or
   * refused for lack of room; of `owner` only if one is given.
   */
  longestIdle(before: number, owner?: Owner): OpenUpload | undefined {
    let found: OpenUpload | undefined
    for (const entry of this.#entries.values()) {
      const isForsaken = entry.activeAt < before || entry.refusedAt !== undefined
      if (entry.senders > 0 || !isForsaken || entry.activeAt >= (found?.activeAt ?? Infinity)) continue
      if (owner === undefined || ownerKey(entry.owner) === ownerKey(owner)) found = entry
    }
    return found
  }

  #count(owner: Owner, by: 1 | -1): void {
    const key = ownerKey(owner)
    const count = (this.#waiting.get(key) ?? 0) + by
    if (count === 0) this.#waiting.delete(key)
    else this.#waiting.set(key, count)
  }
}

function keyOf({ name, id }: Key): string {
  return `${name} ${id}`
}

// A user may be called "anonymous".
function ownerKey(owner: Owner): string {
  return typeof owner === 'string' ? owner : `user ${owner.user}`
}
