// Looks through the whole data directory and says what a collection would take, so that the sweep has only to ask
// whether that still holds. Reads and never writes; synchronous: it runs in a thread of its own. Its memory grows with
// the number of blobs (a name each) and of what is to go, never with sizes.
import { relative } from 'node:path'
import { compileGlob } from '../../oci/glob.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Layout } from '../layout.ts'
import { createLayout } from '../layout.ts'
import { readPins } from '../pins.ts'
import { readManifestFile } from '../read-manifest-file.ts'
import type { FoundRepository } from '../read-repository.ts'
import { readRepository } from '../read-repository.ts'
import type { FileFacts } from '../stamp.ts'
import { directoryIdentity } from '../stamp.ts'
import type { BlobEntry, WalkReport } from '../walk.ts'
import { isDeadLink, walkBlobs, walkRepositories } from '../walk.ts'
import type { EmptyDirectory } from './leftovers.ts'
import { findAbove, findEmptyLink, isOldDirectory, isOtherFile } from './leftovers.ts'
import type { Judgement } from './mark.ts'
import { judgeRepository } from './mark.ts'
import { planRepository } from './plan-repository.ts'
import type { BlobLine, RepositoryPlan, SurveyMessage, SurveyRequest, SurveyTotals } from './survey-result.ts'
import { writeBlobLine } from './survey-result.ts'

const PROGRESS_EVERY = 500
const PLANS_A_MESSAGE = 50
const LINES_A_MESSAGE = 1000

/** Surveys the directory; the last message is `end`. Throws only what makes the whole directory unreadable. */
export function* survey(request: SurveyRequest, rest = (): void => undefined): Generator<SurveyMessage> {
  const state = new Survey(request, rest)
  yield* state.walkRepositories()
  yield* state.walkBlobs()
  yield* state.tellPlans()
  yield { kind: 'end', totals: state.totals }
}

class Survey {
  readonly #request: SurveyRequest
  readonly #layout: Layout
  readonly #report: WalkReport
  #problems: { path: string; what: string }[] = []
  /** Whether all that may name blobs could be read. */
  #complete = true
  /** Whether all pins could be read; else no repository may lose anything either. */
  #knowsPins = true
  readonly #promised: ReadonlySet<string>
  readonly #marks = new Set<Digest>()
  readonly #plans: RepositoryPlan[] = []
  /** Blobs that are not marked. */
  readonly #going = new Set<Digest>()
  /** Blobs that only young links keep, with the ctime of the youngest. */
  readonly #waiting = new Map<Digest, number>()
  readonly #pinned = new Map<RepositoryName, Set<Digest>>()
  #leftovers: EmptyDirectory[] = []
  readonly #empties: RepositoryPlan[] = []
  readonly #cleared: BlobLine[] = []
  readonly totals: { -readonly [Key in keyof SurveyTotals]: SurveyTotals[Key] } = {
    repositories: 0,
    manifests: 0,
    links: 0,
    blobs: 0,
    bytes: 0,
    waiting: { blobs: 0, bytes: 0, until: 0 },
    trash: { blobs: 0, bytes: 0 },
    complete: true,
  }

  readonly #rest: () => void

  constructor(request: SurveyRequest, rest: () => void) {
    this.#rest = rest
    this.#request = request
    this.#layout = createLayout(request.root)
    this.#promised = new Set(request.promised.flatMap((lines) => lines.split('\n')))
    this.#report = {
      onStray: (path) => {
        if (isDeadLink(path)) this.#report.onUnreadable(path, new Error('the link leads nowhere'))
        else this.#note(path, 'does not belong here: left alone')
      },
      onUnreadable: (path, error) => {
        this.#complete = false
        this.#note(path, `cannot be read: ${error.message}`)
      },
    }
  }

  *walkRepositories(): Generator<SurveyMessage> {
    this.#readPins()
    const report: WalkReport = { ...this.#report, onEmpty: (path, name) => this.#addEmpty(path, name) }
    if (directoryIdentity(this.#layout.repositories) === undefined && directoryIdentity(this.#layout.blobs)) {
      // Moved away, or on a disk that is not here: the blobs would all seem to be nobody's.
      report.onUnreadable(this.#layout.repositories, new Error('it is not there, and blobs are'))
    }
    for (const name of walkRepositories(this.#layout, report)) {
      const { uploads } = this.#readRepository(name)
      if (uploads.length > 0) yield { kind: 'uploads', name, uploads }
      this.#rest()
      this.totals.repositories += 1
      if (this.totals.repositories % PROGRESS_EVERY === 0) yield* this.#tell('repositories', this.totals.repositories)
    }
    this.#judgeUnheld()
    yield* this.#tell('repositories', this.totals.repositories)
  }

  *walkBlobs(): Generator<SurveyMessage> {
    const report: WalkReport = {
      ...this.#report,
      onLeftover: (path, digest) => {
        const [empty] = findEmptyLink(path, digest, this.#isYoung, this.#report)
        if (empty) this.#cleared.push({ act: 'clear', digest, size: 0, stamp: '-' as BlobLine['stamp'] })
      },
    }
    let lines: string[] = []
    let seen = 0
    for (const entry of walkBlobs(this.#layout, report)) {
      for (const line of this.#judgeBlob(entry)) lines.push(writeBlobLine(line))
      this.#rest()
      seen += 1
      if (seen % PROGRESS_EVERY === 0) yield* this.#tell('blobs', this.totals.blobs)
      if (lines.length < LINES_A_MESSAGE) continue
      yield { kind: 'blobs', lines: lines.join('\n') }
      lines = []
    }
    for (const line of this.#cleared) lines.push(writeBlobLine(line))
    if (lines.length > 0) yield { kind: 'blobs', lines: lines.join('\n') }
    yield* this.#tell('blobs', this.totals.blobs)
  }

  /** After the blobs, so that of what a repository holds only what would go is told. */
  *tellPlans(): Generator<SurveyMessage> {
    this.totals.complete = this.#complete
    const plans = this.#plans.splice(0).map((plan): RepositoryPlan => ({
      ...plan,
      holds: plan.holds.filter((digest) => this.#going.has(digest)),
    }))
    plans.push(...this.#empties)
    while (plans.length > 0) yield { kind: 'repositories', plans: plans.splice(0, PLANS_A_MESSAGE) }
  }

  readonly #isYoung = (changedAt: number): boolean => this.#age(changedAt) < this.#request.minAge

  /** Milliseconds; 0 for what seems to come from the future. */
  #age(changedAt: number): number {
    return Math.max(0, this.#request.now - changedAt)
  }

  #readPins(): void {
    const { pins, unreadable } = readPins(this.#layout)
    for (const { path, why } of unreadable) this.#report.onUnreadable(path, new Error(why))
    this.#knowsPins = unreadable.length === 0
    for (const { images, blobs } of pins) {
      for (const blob of blobs) this.#marks.add(blob)
      for (const { name, digest } of images) {
        if (digest === undefined) continue
        this.#marks.add(digest)
        const known = this.#pinned.get(name)
        if (known === undefined) this.#pinned.set(name, new Set([digest]))
        else known.add(digest)
      }
    }
  }

  #readRepository(name: RepositoryName): FoundRepository {
    this.#leftovers = []
    const strays: string[] = []
    const report: WalkReport = {
      ...this.#report,
      onStray: (path) => strays.push(path),
      onLeftover: (path, digest) => {
        this.#leftovers.push(...findEmptyLink(path, digest, this.#isYoung, this.#report))
      },
    }
    const wasComplete = this.#complete
    this.#complete = true
    const read = readRepository(this.#layout, name, report)
    // Those are told as what they are, below.
    const unknown = new Set(read.unknown.map(({ path }) => path))
    for (const path of strays) if (!unknown.has(path)) this.#report.onStray(path)
    for (const { tag, target, torn } of read.tags) {
      const path = this.#layout.tagLink(name, tag)
      if (target === undefined && !torn && isOtherFile(path)) {
        report.onUnreadable(path, new Error('the link is not a file'))
      }
    }
    const found = this.#complete ? read : { ...read, unreadable: true }
    this.#complete &&= wasComplete
    const judgement = this.#judge(found)
    this.#pinned.delete(name)
    this.totals.manifests += found.revisions.length
    this.totals.links += found.layers.length
    for (const { history } of found.tags) this.totals.links += history.length
    if (judgement.faults.length > 0 || found.unreadable) {
      this.#note(this.#layout.repository(name), 'not all of it can be read: nothing of it is collected')
    } else if (this.#knowsPins) {
      this.#plan(found, judgement)
    }
    return found
  }

  #judge(found: FoundRepository): Judgement {
    const judgement = judgeRepository(this.#layout, found, {
      isYoung: this.#isYoung,
      staysUntagged: this.#ruleFor(found.name),
      isPromised: (digest) => this.#promised.has(digest),
      pinned: this.#pinned.get(found.name) ?? new Set(),
      read: (digest, stored) => readManifestFile(this.#layout, digest, stored),
    })
    for (const { path, what } of [...judgement.notes, ...judgement.faults]) this.#note(path, what)
    for (const digest of judgement.marks) this.#marks.add(digest)
    for (const [digest, changedAt] of judgement.waiting) {
      this.#waiting.set(digest, Math.max(changedAt, this.#waiting.get(digest) ?? 0))
    }
    return judgement
  }

  // What is pinned in a repository that is not here any more keeps what it needs all the same.
  #judgeUnheld(): void {
    const nothing = { layers: [], revisions: [], tags: [], uploads: [], unknown: [] }
    const isThere = { hasLayers: false, hasManifests: false, unreadable: false }
    for (const name of this.#pinned.keys()) this.#judge({ ...nothing, ...isThere, name })
  }

  #plan(found: FoundRepository, judgement: Judgement): void {
    const parts = { layout: this.#layout, isYoung: this.#isYoung, report: this.#report, leftovers: this.#leftovers }
    const plan = planRepository(parts, found, judgement)
    if (plan === undefined) return
    // What is marked stays whatever becomes of this repository.
    this.#plans.push({ ...plan, holds: [...judgement.holds()].filter((digest) => !this.#marks.has(digest)) })
  }

  *#judgeBlob({ digest, data, trashed }: BlobEntry): Generator<BlobLine> {
    const young = this.#waiting.get(digest)
    const isNeeded = this.#marks.has(digest) || young !== undefined
    if (data !== undefined) {
      if (!this.#marks.has(digest)) this.#noteWaiting(data, young)
      this.totals.blobs += 1
      this.totals.bytes += data.size
    }
    if (trashed !== undefined) {
      this.totals.trash = { blobs: this.totals.trash.blobs + 1, bytes: this.totals.trash.bytes + trashed.size }
    }
    if (data !== undefined && !isNeeded && !this.#isYoung(data.changedAt)) {
      this.#going.add(digest)
      yield { act: 'trash', digest, size: data.size, stamp: data.stamp }
    } else if (trashed !== undefined && data === undefined && isNeeded) {
      yield { act: 'restore', digest, size: trashed.size, stamp: trashed.stamp }
    } else if (trashed !== undefined && this.#age(trashed.changedAt) >= this.#request.grace) {
      if (data === undefined) this.#going.add(digest)
      yield { act: 'delete', digest, size: trashed.size, stamp: trashed.stamp }
    }
  }

  #noteWaiting({ size, changedAt }: FileFacts, young = 0): void {
    const last = Math.max(young, changedAt)
    if (!this.#isYoung(last)) return
    const { blobs, bytes, until } = this.totals.waiting
    this.totals.waiting = {
      blobs: blobs + 1,
      bytes: bytes + size,
      until: Math.max(until, Math.min(last, this.#request.now) + this.#request.minAge),
    }
  }

  /** Whether an old revision to which nothing leads stays in the repository, by its ctime. */
  #ruleFor(name: RepositoryName): (changedAt: number) => boolean {
    const { untagged, untaggedAfter } = this.#request
    if (untagged) return () => false
    const matches = (glob: string): boolean => compileGlob(glob)(name)
    const rule = untaggedAfter.find(({ repositories }) => repositories.some(matches))
    return rule === undefined ? () => true : (changedAt) => this.#age(changedAt) < rule.age
  }

  #addEmpty(path: string, name: RepositoryName): void {
    if (!this.#knowsPins || !isOldDirectory(path, this.#isYoung)) return
    const directories = findAbove(this.#layout, path, this.#isYoung)
    this.#empties.push({
      name,
      tags: [],
      revisions: [],
      manifests: [],
      links: [],
      directories,
      removed: false,
      holds: [],
    })
  }

  #note(path: string, what: string): void {
    this.#problems.push({ path: relative(this.#request.root, path), what })
  }

  *#tell(phase: 'repositories' | 'blobs', done: number): Generator<SurveyMessage> {
    if (this.#problems.length > 0) yield { kind: 'problems', problems: this.#problems }
    this.#problems = []
    yield { kind: 'progress', phase, done, bytes: this.totals.bytes }
  }
}
