// Asks a running registry to collect, over its local socket, as `tarn gc` does: POST /api/v1/gc, whose answer is a line of
// JSON for each event and the report as the last.
import { request } from 'node:http'

/** What is asked for; times are Go's durations. */
export interface Asked {
  readonly dryRun?: boolean
  readonly untagged?: boolean
  readonly olderThan?: string
  readonly grace?: string
}

/** The parts of a report that these suites look at. */
export interface Report {
  readonly seconds: number
  readonly repositories: { readonly seen: number; readonly removed: number; readonly left: number }
  readonly manifests: { readonly seen: number; readonly removed: number }
  readonly links: { readonly seen: number; readonly removed: number }
  readonly blobs: {
    readonly seen: number
    readonly kept: number
    readonly trashed: number
    readonly restored: number
    readonly deleted: number
  }
  readonly trash: { readonly blobs: number }
  readonly problems: readonly { readonly path: string; readonly what: string }[]
  readonly complete: boolean
}

const PATIENCE_MS = 120_000

/** Runs one collection to its end; throws what the registry says when it has no report. */
export async function collect(socketPath: string, asked: Asked): Promise<Report> {
  const text = await post(socketPath, JSON.stringify(asked))
  const last = text.trimEnd().split('\n').at(-1) ?? ''
  const { event, report } = JSON.parse(last) as { event?: string; report?: Report }
  if (event !== 'report' || report === undefined) throw new Error(`no report of a collection: ${last}`)
  return report
}

function post(socketPath: string, body: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const headers = { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) }
  const outgoing = request({ socketPath, method: 'POST', path: '/api/v1/gc', headers }, (incoming) => {
    const parts: Buffer[] = []
    incoming.on('data', (part: Buffer) => parts.push(part))
    incoming.once('end', () => resolve(Buffer.concat(parts).toString()))
    incoming.once('error', reject)
  })
  outgoing.setTimeout(PATIENCE_MS, () => outgoing.destroy(new Error(`no collection within ${PATIENCE_MS} ms`)))
  outgoing.once('error', reject)
  outgoing.end(body)
  return promise
}

/** What collections did, summed up. */
export interface Collections {
  count: number
  trashed: number
  restored: number
  deleted: number
  removedManifests: number
  removedRepositories: number
  /** Repositories that were left for the next time, because somebody was at work in them. */
  left: number
  /** Collections that left something alone because of what they could not read. */
  withProblems: number
  /** How long each took, in milliseconds. */
  readonly took: number[]
}

export function makeCollections(): Collections {
  return {
    count: 0,
    trashed: 0,
    restored: 0,
    deleted: 0,
    removedManifests: 0,
    removedRepositories: 0,
    left: 0,
    withProblems: 0,
    took: [],
  }
}

/** Collects and adds what it did; gives the report. */
export async function collectInto(sum: Collections, socketPath: string, asked: Asked): Promise<Report> {
  const began = performance.now()
  const report = await collect(socketPath, asked)
  sum.took.push(performance.now() - began)
  sum.count++
  sum.trashed += report.blobs.trashed
  sum.restored += report.blobs.restored
  sum.deleted += report.blobs.deleted
  sum.removedManifests += report.manifests.removed
  sum.removedRepositories += report.repositories.removed
  sum.left += report.repositories.left
  if (report.problems.length > 0) sum.withProblems++
  return report
}
