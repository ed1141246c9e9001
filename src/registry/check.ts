// Verification of a data directory, by a person's word or slowly in the background: every blob, manifest and link is
// read in a thread of its own; what is wrong is kept from being served, told, and healed where that was asked for.
import { parseBytes } from '../config/bytes.ts'
import { Problem } from '../config/problem.ts'
import { registryError } from '../oci/errors.ts'
import { openCopies } from '../storage/check/copies.ts'
import type { Guard } from '../storage/check/guard.ts'
import type { StartSurvey } from '../storage/check/run-survey.ts'
import { runSurvey } from '../storage/check/run-survey.ts'
import type { BlobSource } from '../storage/check/source.ts'
import type { SurveyOptions } from '../storage/check/survey.ts'
import type { Counts } from '../storage/check/survey-state.ts'
import { Mutex } from '../storage/mutex.ts'
import type { Store } from '../storage/store.ts'
import type { Closures } from './closures.ts'
import type { Progress } from './collect.ts'
import type { Rules } from './context.ts'
import type { Finding, FoundFault } from './findings.ts'
import { Findings } from './findings.ts'
import { repair } from './repair.ts'
import type { ScrubLogger, ScrubState } from './scrub.ts'
import { Scrub } from './scrub.ts'

export type { Finding }

export interface CheckOptions {
  /** Heals what can be healed, and sets aside what is wrong and cannot. */
  readonly repair: boolean
  /** Reads manifests and links, and of other blobs only whether they are there and how long they are. */
  readonly fast: boolean
  /** Globs; empty for all. */
  readonly repositories: readonly string[]
  /** Paths of data directories and of tars of them, from which may be healed. */
  readonly from: readonly string[]
}

export interface CheckReport {
  readonly startedAt: string
  readonly seconds: number
  readonly fast: boolean
  readonly repair: boolean
  readonly blobs: { readonly checked: number; readonly bytes: number }
  readonly manifests: { readonly checked: number }
  readonly links: { readonly checked: number }
  readonly repositories: { readonly checked: number }
  readonly findings: readonly Finding[]
  /** How many of the findings are wrong (notes are not) and not healed. */
  readonly unrepaired: number
}

export interface CheckerParts {
  readonly store: Store
  readonly closures: Pick<Closures, 'drop'>
  readonly rules: Pick<Rules, 'readOnly'>
  /** `check` of the configuration; times in milliseconds. */
  readonly settings: { readonly rate: string; readonly within: number }
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Upstreams that may have a lost blob. */
  readonly sources?: readonly BlobSource[] | undefined
  readonly startSurvey?: StartSurvey | undefined
  /** Milliseconds from `start` to the first pass. */
  readonly firstPassAfter?: number | undefined
}

// What was hidden behind a broken manifest shows when that is healed; deeper than this nothing can be hidden.
const MOST_ROUNDS = 6
const FIRST_PASS_AFTER_MS = 60_000

export class Checker {
  readonly #parts: CheckerParts
  readonly #turn = new Mutex()
  readonly #scrub: Scrub
  readonly #closing = new AbortController()

  constructor(parts: CheckerParts) {
    const { store, closures, rules, settings, clock, sources = [], startSurvey = runSurvey } = parts
    this.#parts = parts
    this.#scrub = new Scrub({
      store,
      closures,
      rules,
      sources,
      clock,
      startSurvey,
      // The configuration was checked.
      pace: { rate: parseBytes(settings.rate) ?? 0, within: settings.within },
      firstPassAfter: parts.firstPassAfter ?? FIRST_PASS_AFTER_MS,
    })
  }

  /** How the pass in the background is going; times in milliseconds since 1970. */
  get scrub(): ScrubState {
    return this.#scrub.state
  }

  /**
   * Checks the directory, one check after the other. `onEvent` is told each finding when it is found, and again when
   * something came of it. Throws a Problem for globs that match nothing and for `from` that cannot be used,
   * UNSUPPORTED for a repair where nothing may be written, and the signal's reason when that or `close` ends it.
   */
  run(
    options: CheckOptions,
    onEvent: (event: Progress | Finding) => void = () => undefined,
    signal?: AbortSignal,
  ): Promise<CheckReport> {
    const either = AbortSignal.any([this.#closing.signal, ...(signal === undefined ? [] : [signal])])
    return this.#turn.run('check', () => this.#run(options, onEvent, either))
  }

  /** Begins the pass in the background; gives the function that ends it at once. Only for the keeper. */
  start(logger?: ScrubLogger): () => void {
    return this.#scrub.start(logger)
  }

  /** Ends every check and the pass in the background at once; resolves when they have. None can be begun afterwards. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the registry is closing'))
    await Promise.all([this.#turn.run('check', async () => undefined), this.#scrub.close()])
  }

  async #run(
    options: CheckOptions,
    onEvent: (event: Progress | Finding) => void,
    signal: AbortSignal,
  ): Promise<CheckReport> {
    const { store, closures, clock, sources = [] } = this.#parts
    const startedAt = clock()
    signal.throwIfAborted()
    if (options.repair) this.#requireWritable()
    const copies = await openCopies(options.from)
    const findings = new Findings(store, closures, onEvent)
    const { counts, found } = await this.#survey(options, findings, onEvent, signal)
    if (options.repair) {
      const require = (): void => {
        signal.throwIfAborted()
        this.#requireWritable()
      }
      const guard: Guard = { signal, require }
      const parts = { store, findings, copies, sources, clock, guard, onProgress: onEvent }
      let left = found
      for (let round = 0; round < MOST_ROUNDS && left.length > 0; round += 1) {
        const healed = await repair(parts, left)
        const repositories = [...new Set(healed.flatMap((entry) => [...entry.repositories]))]
        if (repositories.length === 0) break
        left = (await this.#survey({ ...options, fast: true, repositories }, findings, undefined, signal)).found
      }
    }
    return {
      startedAt: new Date(startedAt).toISOString(),
      seconds: (clock() - startedAt) / 1000,
      fast: options.fast,
      repair: options.repair,
      blobs: { checked: counts.blobs, bytes: counts.bytes },
      manifests: { checked: counts.manifests },
      links: { checked: counts.links },
      repositories: { checked: counts.repositories },
      findings: findings.list(),
      unrepaired: findings.unrepaired,
    }
  }

  // Without `onEvent` it is a second look at what was just healed.
  async #survey(
    { fast, repositories }: CheckOptions,
    findings: Findings,
    onEvent: ((event: Progress) => void) | undefined,
    signal: AbortSignal,
  ): Promise<{ counts: Counts; found: FoundFault[] }> {
    const { store, startSurvey = runSurvey } = this.#parts
    const options: SurveyOptions = { root: store.layout.root, fast, repositories, after: '' }
    const found = new Set<FoundFault>()
    let counts: Counts = { repositories: 0, manifests: 0, links: 0, blobs: 0, bytes: 0 }
    // Faults are looked at one after the other, while the thread reads on.
    let looking = Promise.resolve()
    const ending = startSurvey(
      options,
      (message) => {
        if (message.type === 'end') ({ counts } = message)
        else if (message.type === 'progress') {
          const { phase, done, total, bytes } = message
          onEvent?.({ phase, done, total, bytes })
        } else if (message.type === 'fault') {
          looking = looking.then(async () => {
            if (signal.aborted) return
            const entry = await findings.take(message.fault)
            if (entry !== undefined) found.add(entry)
          })
          looking.catch(() => undefined)
        } else if (onEvent !== undefined) {
          throw new Problem(`no repository matches ${message.globs.join(', ')}`, { hint: 'see what is here: tarn ls' })
        }
      },
      signal,
    )
    // Whatever ended it: nothing goes on behind the caller's back.
    try {
      await ending
    } finally {
      await looking.catch(() => undefined)
    }
    await looking
    signal.throwIfAborted()
    return { counts, found: [...found] }
  }

  #requireWritable(): void {
    const reason = this.#parts.rules.readOnly()
    if (reason !== undefined) throw registryError('UNSUPPORTED', { message: reason })
  }
}
