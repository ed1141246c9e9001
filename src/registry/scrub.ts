// The check that never ends: all bytes are read again and again, slowly, so that rot is found while another copy of
// what rotted still exists somewhere. What is wrong is refused from then on, healed from what is here or upstream, and
// else left to the keeper's quarantine (maintain.ts).
import type { BaseLogger } from 'pino'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'
import { registryError } from '../oci/errors.ts'
import { confirm } from '../storage/check/confirm.ts'
import type { Cursor } from '../storage/check/cursor.ts'
import { NO_CURSOR, readCursor, writeCursor } from '../storage/check/cursor.ts'
import type { Fault } from '../storage/check/fault.ts'
import { isNote } from '../storage/check/fault.ts'
import { healBlob } from '../storage/check/heal-blob.ts'
import type { StartSurvey } from '../storage/check/run-survey.ts'
import type { BlobSource } from '../storage/check/source.ts'
import type { SurveyMessage } from '../storage/check/survey.ts'
import type { Store } from '../storage/store.ts'
import type { Closures } from './closures.ts'
import type { Rules } from './context.ts'
import { describeFault, keepFromServing } from './findings.ts'

export type ScrubLogger = Pick<BaseLogger, 'info' | 'warn' | 'error'>

export interface ScrubState {
  /** The last blob that was read; '' between two passes. */
  readonly cursor: Digest | ''
  /** How much of the pass is done, 0 to 1. */
  readonly share: number
  /** Milliseconds since 1970. */
  readonly passStartedAt?: number
  readonly lastPassEndedAt?: number
  /** Bytes read, and things found wrong, since this process began. */
  readonly checkedBytes: number
  readonly found: number
}

export interface ScrubParts {
  readonly store: Store
  readonly closures: Pick<Closures, 'drop'>
  readonly rules: Pick<Rules, 'readOnly'>
  readonly sources: readonly BlobSource[]
  readonly clock: () => number
  readonly startSurvey: StartSurvey
  /** Bytes a second, and milliseconds in which a whole pass must be done. */
  readonly pace: { readonly rate: number; readonly within: number }
  readonly firstPassAfter: number
}

const CURSOR_EVERY_MS = 5000
const AGAIN_AFTER_MS = 3_600_000
// A pass a day where a pass a month is wanted: what is small is not read all day.
const PASSES = 30
// Sleeping takes longer than asked for, and so does a busy disk.
const SPARE = 0.9
// A broken disk would fill the log.
const MOST_LINES = 100

export class Scrub {
  readonly #parts: ScrubParts
  #cursor: Cursor = NO_CURSOR
  #checkedBytes = 0
  #found = 0
  #isClosed = false
  /** What ends each pass that was begun, and what is under way of them. */
  readonly #stops = new Set<() => void>()
  readonly #underWay = new Set<Promise<void>>()

  constructor(parts: ScrubParts) {
    this.#parts = parts
  }

  get state(): ScrubState {
    const { after, passStartedAt, lastPassEndedAt } = this.#cursor
    return {
      cursor: after,
      share: shareOf(after),
      ...(passStartedAt !== undefined && { passStartedAt }),
      ...(lastPassEndedAt !== undefined && { lastPassEndedAt }),
      checkedBytes: this.#checkedBytes,
      found: this.#found,
    }
  }

  /** Ends it at once for good; resolves when nothing of it is under way any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const stop of this.#stops) stop()
    await Promise.all(this.#underWay)
  }

  /** Begins; gives the function that ends it at once. */
  start(logger?: ScrubLogger): () => void {
    if (this.#isClosed) return () => undefined
    const { store, clock, firstPassAfter } = this.#parts
    const stop = new AbortController()
    let timer: NodeJS.Timeout | undefined
    this.#cursor = readCursor(store.layout)
    const plan = (milliseconds: number): void => {
      // A timer holds no more than 31 bits; looking once an hour costs nothing.
      timer = setTimeout(() => this.#follow(look()), Math.min(Math.max(milliseconds, 0), AGAIN_AFTER_MS)).unref()
    }
    const look = async (): Promise<void> => {
      try {
        if (clock() >= this.#dueAt()) await this.#pass(stop.signal, logger)
        if (!stop.signal.aborted) plan(this.#dueAt() - clock())
      } catch (error) {
        if (stop.signal.aborted) return
        logger?.error({ err: error }, 'the check in the background failed')
        plan(AGAIN_AFTER_MS)
      }
    }
    plan(Math.max(firstPassAfter, this.#dueAt() - clock()))
    const end = (): void => {
      this.#stops.delete(end)
      clearTimeout(timer)
      if (stop.signal.aborted) return
      stop.abort(new Error('the check in the background is over'))
      // Now, while the directory is still kept.
      this.#keepCursor()
    }
    this.#stops.add(end)
    return end
  }

  #follow(looking: Promise<void>): void {
    this.#underWay.add(looking)
    void looking.finally(() => this.#underWay.delete(looking))
  }

  #keepCursor(): void {
    if (this.#parts.rules.readOnly() === undefined) writeCursor(this.#parts.store.layout, this.#cursor)
  }

  #dueAt(): number {
    const { passStartedAt, lastPassEndedAt, after } = this.#cursor
    // One that was ended before its end goes on at once.
    if (
      after !== '' ||
      passStartedAt === undefined ||
      !(lastPassEndedAt !== undefined && lastPassEndedAt >= passStartedAt)
    ) {
      return 0
    }
    // A clock that was turned back must not put the next pass off for years.
    return Math.min(passStartedAt, this.#parts.clock()) + this.#parts.pace.within / PASSES
  }

  async #pass(signal: AbortSignal, logger: ScrubLogger | undefined): Promise<void> {
    const { store, clock, startSurvey } = this.#parts
    const { after } = this.#cursor
    if (after === '') this.#cursor = { ...this.#cursor, passStartedAt: clock() }
    const pace = this.#pace()
    let writtenAt = clock()
    let bytes = 0
    let found = 0
    let handling = Promise.resolve()
    const onMessage = (message: SurveyMessage): void => {
      if (message.type === 'progress') {
        this.#checkedBytes += message.bytes - bytes
        ;({ bytes } = message)
        if (message.cursor !== '') this.#cursor = { ...this.#cursor, after: message.cursor }
        if (clock() - writtenAt < CURSOR_EVERY_MS) return
        writtenAt = clock()
        this.#keepCursor()
      } else if (message.type === 'fault' && !isNote(message.fault.kind)) {
        handling = handling.then(async () => {
          // What was an act half done is none any more.
          if (signal.aborted || !(await confirm(store, message.fault))) return
          found += 1
          await this.#handle(message.fault, signal, found <= MOST_LINES ? logger : undefined)
        })
        handling.catch(() => undefined)
      }
    }
    try {
      await startSurvey({ root: store.layout.root, fast: false, repositories: [], after, pace }, onMessage, signal)
    } finally {
      await handling
    }
    signal.throwIfAborted()
    this.#cursor = { ...this.#cursor, after: '', lastPassEndedAt: clock() }
    this.#keepCursor()
    if (found > 0) logger?.warn({ found }, 'the check in the background ended; see: tarn check')
  }

  // A pass that was ended before its end, by a restart, has the rest of its time for the rest of the bytes. One whose time
  // is nearly over, or long over, is not done in a hurry: that would take the disk from whoever pulls.
  #pace(): { readonly rate: number; readonly within: number } {
    const { clock, pace } = this.#parts
    const { passStartedAt = clock() } = this.#cursor
    const left = Math.min(passStartedAt, clock()) + pace.within - clock()
    return { rate: pace.rate, within: Math.max(left, pace.within / PASSES) * SPARE }
  }

  async #handle(fault: Fault, signal: AbortSignal, logger: ScrubLogger | undefined): Promise<void> {
    const { store, closures, rules, sources } = this.#parts
    this.#found += 1
    keepFromServing(store, closures, fault)
    const { outcome: _, ...finding } = describeFault(store, fault)
    const { digest, kind } = fault
    if (!kind.startsWith('blob-') || digest === undefined || rules.readOnly() !== undefined) {
      logger?.warn(finding, 'the check found something wrong')
      return
    }
    const release = store.leases.hold([digest])
    const require = (): void => {
      signal.throwIfAborted()
      const reason = rules.readOnly()
      if (reason !== undefined) throw registryError('UNSUPPORTED', { message: reason })
    }
    const onFailure = (source: string, error: unknown): void =>
      logger?.warn({ source, err: error }, 'a blob could not be healed from there')
    try {
      const by = await healBlob(store, { ...fault, digest }, sources, onFailure, { signal, require })
      if (by === undefined) logger?.warn(finding, 'the check found something wrong')
      else logger?.warn({ ...finding, by }, 'the check found something wrong, and healed it')
    } catch (error) {
      signal.throwIfAborted()
      logger?.warn({ ...finding, err: error }, 'the check found something wrong, and could not heal it')
    } finally {
      release()
    }
  }
}

// Digests are spread evenly, and those of sha512 are few and come last.
function shareOf(cursor: Digest | ''): number {
  if (cursor === '') return 0
  return algorithmOf(cursor) === 'sha512' ? 1 : Number.parseInt(hexOf(cursor).slice(0, 8), 16) / 2 ** 32
}
