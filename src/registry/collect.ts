// Collection while serving: takes what no tag, pin, policy or promise keeps, and is the only deleter of blobs (I6). A
// survey in a thread of its own says what could go; here each thing is asked for once more right before it goes: links
// first, then blobs into the trash, and a grace later out of it. A crash anywhere leaves a directory that serves, and
// the next run ends the work.
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { RegistryError, registryError } from '../oci/errors.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { Pace } from '../storage/pace.ts'
import type { StartSurvey } from '../storage/collect/start-survey.ts'
import { startSurvey } from '../storage/collect/start-survey.ts'
import type { LeaseTable } from '../storage/leases.ts'
import { touchedEvery } from '../storage/link-promises.ts'
import { sweepBlob } from '../storage/collect/sweep-blobs.ts'
import type { SweepOptions } from '../storage/collect/sweep-repository.ts'
import { sweepRepository } from '../storage/collect/sweep-repository.ts'
import type { Problem, RepositoryPlan, SurveyTotals, UntaggedRule } from '../storage/collect/survey-result.ts'
import { readBlobLine } from '../storage/collect/survey-result.ts'
import type { Tally } from '../storage/collect/tally.ts'
import { nameRemoved, openTally } from '../storage/collect/tally.ts'
import type { Store } from '../storage/store.ts'
import type { UploadId } from '../storage/upload-id.ts'
import type { Closures } from './closures.ts'
import type { Rules } from './context.ts'

/** Times in milliseconds; what is not said is as the configuration has it. */
export interface CollectOptions {
  /** Only tell what would be done. */
  readonly dryRun: boolean
  /** Also manifests to which no tag leads. */
  readonly untagged?: boolean
  /** Nothing younger goes; while serving, nothing younger than a lease goes in any case. */
  readonly olderThan?: number
  /** How long a blob lies in the trash before it is deleted. */
  readonly grace?: number
}

export interface CollectReport extends Readonly<Tally> {
  /** RFC 3339 */
  readonly startedAt: string
  readonly seconds: number
  readonly dryRun: boolean
  readonly untagged: boolean
}

/** How far a long act is; `phase` is a word for people. */
export interface Progress {
  readonly phase: string
  readonly done: number
  readonly total?: number
  readonly bytes?: number
  /** Where `done` and `total` count something else than bytes. */
  readonly totalBytes?: number
}

export interface CollectorParts {
  readonly store: Store
  readonly closures: Closures
  readonly rules: Pick<Rules, 'readOnly'>
  readonly settings: {
    readonly lease: number
    readonly grace: number
    readonly untagged: boolean
    readonly untaggedAfter: readonly UntaggedRule[]
  }
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Whether clients are being served. */
  readonly serving: boolean
  /** What runs the survey; replaced only by tests that must act in the middle of one. */
  readonly startSurvey?: StartSurvey
}

interface Found {
  readonly plans: RepositoryPlan[]
  readonly lines: string[]
  readonly problems: Problem[]
  readonly totals: SurveyTotals
}

const PROMISES_A_LINE = 1000
// So many entries are read in less time than it would take to be handed a processor that nobody else wants.
const SMALL = 5000

type OnProgress = (progress: Progress) => void

export class Collector {
  readonly #parts: CollectorParts
  readonly #stopping = new AbortController()
  #turn: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #last: CollectReport | undefined

  constructor(parts: CollectorParts) {
    this.#parts = parts
  }

  /** The report of the last collection that was no dry run, of an earlier process too. */
  get last(): CollectReport | undefined {
    this.#last ??= readReport(this.#parts.store.layout.lastCollection)
    return this.#last
  }

  get running(): boolean {
    return this.#waiting > 0
  }

  /**
   * Collects, after those who asked before. Throws UNSUPPORTED while nothing may be written (a dry run may then still be
   * had), and what the file system says when the directory cannot be looked through at all.
   */
  async run(options: CollectOptions, onProgress: OnProgress = () => undefined): Promise<CollectReport> {
    this.#waiting += 1
    const turn = this.#turn.then(() => this.#run(options, onProgress))
    this.#turn = turn.catch(() => undefined)
    return turn.finally(() => {
      this.#waiting -= 1
    })
  }

  /** Ends what runs at the next step; its callers are told. Nothing can be run afterwards. */
  async close(): Promise<void> {
    this.#stopping.abort(new Error('the collection was stopped: the process ends'))
    await this.#turn
  }

  async #run(options: CollectOptions, onProgress: OnProgress): Promise<CollectReport> {
    const { store, closures, clock, settings, serving } = this.#parts
    const { dryRun, untagged = settings.untagged, grace = settings.grace } = options
    const requireWritable = (): void => this.#requireWritable(dryRun)
    requireWritable()
    const [now, began] = [clock(), performance.now()]
    store.leases.beginCollection()
    try {
      // A promise that was given before a restart may rest on a link that was touched so much earlier.
      const lease = settings.lease + touchedEvery(settings.lease)
      const { olderThan = lease } = options
      const minAge = serving ? Math.max(lease, olderThan) : olderThan
      const { untaggedAfter } = settings
      const { root } = store.layout
      const promised = await listPromised(store.leases)
      const request = { root, now, minAge, grace, untagged, untaggedAfter, promised }
      const gentle = serving && !isSmall(this.last)
      const found = await this.#survey({ ...request, gentle }, onProgress)
      const tally = openTally(found.totals, found.problems)
      await this.#sweep(found, tally, { dryRun, pace: new Pace(), requireWritable }, onProgress)
      if (!dryRun) closures.dropAll()
      const seconds = Math.round(performance.now() - began) / 1000
      const report = { startedAt: new Date(now).toISOString(), seconds, dryRun, untagged, ...tally }
      if (!dryRun) await this.#keep(report)
      return report
    } finally {
      store.leases.endCollection()
    }
  }

  async #survey(request: Parameters<StartSurvey>[0], onProgress: OnProgress): Promise<Found> {
    const { startSurvey: start = startSurvey } = this.#parts
    const found = { plans: [] as RepositoryPlan[], lines: [] as string[], problems: [] as Problem[] }
    let totals: SurveyTotals | undefined
    await start(
      request,
      (message) => {
        if (message.kind === 'repositories') found.plans.push(...message.plans)
        else if (message.kind === 'blobs') found.lines.push(message.lines)
        else if (message.kind === 'problems') found.problems.push(...message.problems)
        else if (message.kind === 'end') ({ totals } = message)
        else if (message.kind === 'uploads') this.#learn(message.name, message.uploads)
        else onProgress({ phase: `reading ${message.phase}`, done: message.done })
      },
      this.#stopping.signal,
    )
    if (totals === undefined) throw new Error('the survey did not come to its end')
    return { ...found, totals }
  }

  // What a tar brought is purged and counted like the others from now on.
  #learn(name: RepositoryName, ids: readonly UploadId[]): void {
    for (const id of ids) this.#parts.store.uploads.learn(name, id)
  }

  async #sweep({ plans, lines }: Found, tally: Tally, options: SweepOptions, onProgress: OnProgress): Promise<void> {
    const { store, closures } = this.#parts
    // What repositories may need that are left as they are.
    const kept = new Set<Digest>()
    for (const [done, plan] of plans.entries()) {
      if (done % 100 === 0) onProgress({ phase: 'collecting links', done, total: plans.length })
      const swept = await this.#attempt(tally, store.layout.repository(plan.name), () =>
        sweepRepository(store, plan, kept, options),
      )
      tally.manifests.removed += swept?.manifests.length ?? 0
      for (const digest of swept?.manifests ?? []) nameRemoved(tally.removed.manifests, `${plan.name}@${digest}`)
      tally.links.removed += swept?.links ?? 0
      if (swept?.removed) {
        tally.repositories.removed += 1
        nameRemoved(tally.removed.repositories, plan.name)
      }
      if (!swept?.done) {
        tally.repositories.left += 1
        for (const digest of plan.holds) kept.add(digest)
      }
      if (!options.dryRun) closures.drop(plan.name)
      await options.pace.rest()
    }
    for (const [done, chunk] of lines.entries()) {
      onProgress({ phase: 'collecting blobs', done, total: lines.length, bytes: tally.blobs.trashedBytes })
      for (const text of chunk.split('\n')) {
        const line = readBlobLine(text)
        await this.#attempt(tally, store.layout.blob(line.digest), () => sweepBlob(store, line, kept, tally, options))
        await options.pace.rest()
      }
    }
  }

  /** One thing that the disk refuses stops nothing else; a directory that may not be written stops all. */
  async #attempt<T>(tally: Tally, path: string, act: () => Promise<T>): Promise<T | undefined> {
    this.#stopping.signal.throwIfAborted()
    try {
      return await act()
    } catch (error) {
      if (error instanceof RegistryError) throw error
      const { root } = this.#parts.store.layout
      tally.problems.push({
        path: path.slice(root.length + 1),
        what: `cannot be collected: ${(error as Error).message}`,
      })
      return undefined
    }
  }

  #requireWritable(dryRun: boolean): void {
    const reason = dryRun ? undefined : this.#parts.rules.readOnly()
    if (reason !== undefined) throw registryError('UNSUPPORTED', { message: reason })
  }

  // For people and metrics after a restart. A full disk must not make a collection fail that would empty it.
  async #keep(whole: CollectReport): Promise<void> {
    // The names are for whoever asked for this collection.
    const report = { ...whole, removed: { repositories: [], manifests: [], blobs: [] } }
    this.#last = report
    const path = this.#parts.store.layout.lastCollection
    const unfinished = `${path}.tmp`
    try {
      await mkdir(dirname(path), { recursive: true })
      await writeFile(unfinished, `${JSON.stringify(report)}\n`)
      await rename(unfinished, path)
    } catch {
      await rm(unfinished, { force: true }).catch(() => undefined)
    }
  }
}

// So that what was promised before is kept with what it needs, and the rest of its repository collected: a manifest that
// turns out to be promised only when it is about to go leaves all of that for the next time.
async function listPromised(leases: LeaseTable): Promise<string[]> {
  const lines: string[] = []
  let digests: string[] = []
  for await (const digest of new Pace().over(leases.promised())) {
    digests.push(digest)
    if (digests.length < PROMISES_A_LINE) continue
    lines.push(digests.join('\n'))
    digests = []
  }
  return [...lines, digests.join('\n')]
}

function isSmall(last: CollectReport | undefined): boolean {
  return last !== undefined && last.blobs.seen + last.trash.blobs + last.links.seen + last.manifests.seen < SMALL
}

function readReport(path: string): CollectReport | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as CollectReport
  } catch {
    return undefined
  }
}
