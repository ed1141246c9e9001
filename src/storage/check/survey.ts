// The survey of a whole data directory: repositories, then blobs. Synchronous and read-only; it runs in a thread of its
// own (survey-thread.ts). It may see a server at work in the middle of an act: each fault is looked at once more by
// whoever it is told to (confirm.ts).
import type { Digest } from '../../oci/digest.ts'
import { compileGlob, isGlob } from '../../oci/glob.ts'
import type { RepositoryName } from '../../oci/name.ts'
import { createLayout } from '../layout.ts'
import type { WalkReport } from '../walk.ts'
import { walkBlobs, walkRepositories } from '../walk.ts'
import { checkBlob } from './check-blob.ts'
import type { Fault } from './fault.ts'
import { Pace } from './pace.ts'
import { surveyRepository } from './survey-repository.ts'
import type { Counts, SurveyState } from './survey-state.ts'

export interface SurveyOptions {
  /** The data directory, absolute. */
  readonly root: string
  /** Reads all manifests and no other blob. */
  readonly fast: boolean
  /** Globs of the repositories to survey, with the blobs that they name; empty for all, with all blobs. */
  readonly repositories: readonly string[]
  /** Goes on after this blob, and leaves out the repositories; '' for a whole survey. */
  readonly after: Digest | ''
  /** Reads at most this many bytes a second, but all that is left within `within` milliseconds. */
  readonly pace?: { readonly rate: number; readonly within: number } | undefined
}

export type SurveyMessage =
  | {
      readonly type: 'progress'
      readonly phase: 'repositories' | 'blobs'
      readonly done: number
      readonly total: number
      /** Bytes that were read of blobs. */
      readonly bytes: number
      /** The last blob that was read. */
      readonly cursor: Digest | ''
    }
  | { readonly type: 'fault'; readonly fault: Fault }
  /** The globs that match no repository. */
  | { readonly type: 'unmatched'; readonly globs: readonly string[] }
  | { readonly type: 'end'; readonly counts: Counts }

export interface SurveyTools {
  readonly send: (message: SurveyMessage) => void
  readonly sleep: (milliseconds: number) => void
  /** Milliseconds. */
  readonly clock: () => number
}

const PROGRESS_EVERY_MS = 200
const NOTHING_DONE = { type: 'progress', phase: 'repositories', done: 0, total: 0, bytes: 0, cursor: '' } as const
// What opening a file costs a disk, so that a million tiny files do not come for nothing.
const FILE_COSTS = 4096

/** Surveys the directory; the last message is `end`. */
export function survey(options: SurveyOptions, { send, sleep, clock }: SurveyTools): void {
  const layout = createLayout(options.root)
  const report = (fault: Fault): void => send({ type: 'fault', fault })
  const walk: WalkReport = {
    onStray: (path) => report({ kind: 'stray', path, what: 'it is no part of the layout' }),
    onUnreadable(path, error) {
      const { code = error.message } = error as NodeJS.ErrnoException
      report({ kind: 'unreadable', path, what: `it cannot be read: ${code}` })
    },
  }
  let pace: Pace | undefined
  let told: SurveyMessage & { type: 'progress' } = NOTHING_DONE
  let toldAt = -Infinity
  const tell = (isDue = clock() - toldAt >= PROGRESS_EVERY_MS): void => {
    if (!isDue) return
    toldAt = clock()
    send({ ...told, bytes: state.counts.bytes })
  }
  const state: SurveyState = {
    layout,
    fast: options.fast,
    named: new Map(),
    done: new Set(),
    counts: { repositories: 0, manifests: 0, links: 0, blobs: 0, bytes: 0 },
    walk,
    report,
    onRead(bytes) {
      state.counts.bytes += bytes
      pace?.take(bytes + FILE_COSTS)
      tell()
    },
  }
  if (options.pace !== undefined) pace = new Pace(findRate(state, options.after, options.pace), clock, sleep)

  if (options.after === '') {
    const { names, unmatched } = select(walkRepositories(layout, walk), options.repositories)
    if (unmatched.length > 0) send({ type: 'unmatched', globs: unmatched })
    for (const [index, name] of names.entries()) {
      told = { ...told, done: index, total: names.length }
      tell()
      surveyRepository(state, name)
    }
    told = { ...told, done: names.length, total: names.length }
    tell(true)
  }
  if (!options.fast) {
    surveyBlobs(state, options, (done, total, cursor) => {
      const isFirst = told.phase !== 'blobs'
      told = { ...told, phase: 'blobs', done, total, cursor }
      tell(isFirst || undefined)
    })
    tell(true)
  }
  send({ type: 'end', counts: state.counts })
}

function surveyBlobs(
  state: SurveyState,
  { repositories, after }: SurveyOptions,
  tell: (done: number, total: number, cursor: Digest | '') => void,
): void {
  const quiet: WalkReport = { onStray: () => undefined, onUnreadable: () => undefined }
  const all = repositories.length === 0
  let total = state.named.size
  if (all) total = measure(walkBlobs(state.layout, quiet)).blobs
  let cursor: Digest | '' = after
  const digests = all ? digestsOf(walkBlobs(state.layout, state.walk, after)) : state.named.keys()
  for (const digest of digests) {
    tell(state.counts.blobs, Math.max(total, state.counts.blobs), cursor)
    if (!state.done.has(digest)) checkBlob(state, digest)
    cursor = digest
  }
  tell(state.counts.blobs, state.counts.blobs, cursor)
}

function* digestsOf(entries: ReturnType<typeof walkBlobs>): Generator<Digest> {
  for (const { digest, data } of entries) if (data !== undefined) yield digest
}

function findRate(
  { layout }: SurveyState,
  after: Digest | '',
  { rate, within }: { rate: number; within: number },
): number {
  const quiet: WalkReport = { onStray: () => undefined, onUnreadable: () => undefined }
  const { blobs, bytes } = measure(walkBlobs(layout, quiet, after))
  return Math.max(rate, ((bytes + blobs * FILE_COSTS) / within) * 1000)
}

function measure(entries: ReturnType<typeof walkBlobs>): { blobs: number; bytes: number } {
  const sum = { blobs: 0, bytes: 0 }
  for (const { data } of entries) {
    sum.blobs += data === undefined ? 0 : 1
    sum.bytes += data?.size ?? 0
  }
  return sum
}

// A name without special characters stands for itself; there may be very many of those.
function select(
  found: Iterable<RepositoryName>,
  globs: readonly string[],
): { names: RepositoryName[]; unmatched: string[] } {
  const names = [...found]
  if (globs.length === 0) return { names, unmatched: [] }
  const unmatched = new Set(globs)
  const exact = new Set(globs)
  const patterns = globs.filter(isGlob).map((glob) => ({ glob, matches: compileGlob(glob) }))
  const chosen = names.filter((name) => {
    const matching = patterns.filter(({ matches }) => matches(name)).map(({ glob }) => glob)
    if (exact.has(name)) matching.push(name)
    for (const glob of matching) unmatched.delete(glob)
    return matching.length > 0
  })
  return { names: chosen, unmatched: [...unmatched] }
}
