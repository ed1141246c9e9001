// The soak: many clients push, pull, ask, mount, move tags, delete and unpack tars, while collections run one after the
// other in the same server. Leases of 300 ms make in a minute what takes months otherwise. Every second stretch of time
// the collections take untagged manifests too, so that what the server owes changes with them.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { connectTo } from '../durability/client.ts'
import type { Random } from '../durability/random.ts'
import { makeRandom } from '../durability/random.ts'
import type { E2EContext } from '../helpers/suite.ts'
import { describeError } from '../helpers/suite.ts'
import type { Collections } from './collections.ts'
import { collectInto, makeCollections } from './collections.ts'
import type { Desk } from './desk.ts'
import { Findings } from './findings.ts'
import type { Parcel } from './porter.ts'
import { bring, packParcel, takeAway } from './porter.ts'
import type { Policy } from './promised.ts'
import { Repository } from './promised.ts'
import type { Act } from './pushes.ts'
import {
  deleteImage,
  deleteTag,
  emptyRepository,
  pushImage,
  pushIndex,
  pushLooseBlob,
  pushReferrer,
  retag,
} from './pushes.ts'
import { head, listReferrers, pullByDigest, pullByTag } from './reads.ts'
import type { CollectingServer } from './serve.ts'
import { serveCollecting } from './serve.ts'

export const LEASE_MS = 300
export const GRACE_MS = 300
export const CLIENTS = 10

const REPOSITORIES = 3
const SHARED_LAYERS = 40
const STRETCH_MS = 5000
const PROGRESS_MS = 10_000

export interface Soaked {
  readonly data: string
  readonly server: CollectingServer
  readonly repositories: readonly Repository[]
  readonly findings: Findings
  readonly collections: Collections
  readonly seconds: number
  /** A client for the questions afterwards. */
  readonly desk: Desk
}

/** Runs the load for `seconds`; the server goes on running. */
export async function soak(context: E2EContext, seconds: number, seed: string): Promise<Soaked> {
  const data = join(await context.machine.scratch('soak'), 'data')
  await mkdir(data)
  const server = await serveCollecting(context, data, { lease: LEASE_MS, grace: GRACE_MS })
  const random = makeRandom(seed)
  const policy: Policy = { untagged: false }
  const findings = new Findings()
  const collections = makeCollections()
  const hall = makeHall(random, policy)
  const openDesk = (own: readonly Repository[]): Desk => ({
    client: connectTo(server.origin, 8),
    random: makeRandom(`${random.number(2 ** 32)}`),
    findings,
    lease: LEASE_MS,
    own,
    all: hall.all,
    layers: hall.layers,
    pause: LEASE_MS / 2,
  })

  const stop = new AbortController()
  const porter = openDesk([])
  const parcels = [
    await packParcel(context.machine, porter, hall.carried[0] as Repository, true),
    await packParcel(context.machine, porter, hall.carried[1] as Repository, false),
  ]
  const desks = hall.owners.map(openDesk)
  const began = performance.now()
  const elapsed = (): number => (performance.now() - began) / 1000
  const isBehind = (): boolean => collections.count < COLLECTIONS_A_SECOND * elapsed()
  const show = setInterval(() => context.progress(describe(elapsed(), findings, collections)), PROGRESS_MS)
  const work = [
    ...desks.map((desk) => workOn(desk, isBehind, stop.signal)),
    carry(context, porter, data, parcels, stop.signal),
    collectOn(server.socket, { policy, collections, findings, repositories: hall.all }, stop.signal),
  ]
  const timer = setTimeout(() => stop.abort(), seconds * 1000)
  // A server that is gone makes every client end.
  await Promise.all(work)
  clearTimeout(timer)
  clearInterval(show)
  const took = elapsed()
  context.progress(describe(took, findings, collections))
  return {
    data,
    server,
    repositories: hall.all,
    findings,
    collections,
    seconds: took,
    desk: openDesk([]),
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

interface Hall {
  /** The repositories of each client. */
  readonly owners: readonly (readonly Repository[])[]
  readonly carried: readonly Repository[]
  readonly all: readonly Repository[]
  readonly layers: readonly Buffer[]
}

function makeHall(random: Random, policy: Policy): Hall {
  const owners = Array.from({ length: CLIENTS }, (_, client) =>
    Array.from({ length: REPOSITORIES }, (_unused, at) => new Repository(`client${client}/app${at}`, policy)),
  )
  const carried = ['own', 'shared'].map((name) => new Repository(`carried/${name}`, policy))
  const layers = Array.from({ length: SHARED_LAYERS }, (_, at) =>
    random.bytes(at % 20 === 0 ? 1_000_000 : 500 + 200 * at),
  )
  return { owners, carried, all: [...owners.flat(), ...carried], layers }
}

const WEIGHTED: readonly Act[] = [
  ...repeat(8, pullByTag),
  ...repeat(5, pullByDigest),
  ...repeat(10, head),
  ...repeat(5, pushImage),
  ...repeat(3, retag),
  ...repeat(1, pushIndex),
  ...repeat(2, pushReferrer),
  ...repeat(2, listReferrers),
  ...repeat(2, deleteTag),
  ...repeat(2, deleteImage),
  ...repeat(1, emptyRepository),
  ...repeat(2, pushLooseBlob),
]

function repeat(times: number, act: Act): Act[] {
  return Array.from({ length: times }, () => act)
}

const MOST_COMPLAINTS = 50
// Clients that never rest would leave a busy machine no time for collections: they rest longer while these are few.
const MOST_IDLE_MS = 150
const MOST_IDLE_BEHIND_MS = 600
const COLLECTIONS_A_SECOND = 2

async function workOn(desk: Desk, isBehind: () => boolean, signal: AbortSignal): Promise<void> {
  try {
    while (!signal.aborted && desk.findings.complaints.length < MOST_COMPLAINTS) {
      await (desk.random.pick(WEIGHTED) as Act)(desk)
      await sleep(desk.random.number(isBehind() ? MOST_IDLE_BEHIND_MS : MOST_IDLE_MS))
    }
  } catch (error) {
    desk.findings.complain(`a client ended: ${describeError(error)}`)
  } finally {
    desk.client.close()
  }
}

async function carry(
  { machine }: E2EContext,
  desk: Desk,
  data: string,
  parcels: readonly Parcel[],
  signal: AbortSignal,
): Promise<void> {
  try {
    while (!signal.aborted && desk.findings.complaints.length < MOST_COMPLAINTS) {
      const parcel = desk.random.pick(parcels) as Parcel
      if (desk.random.number(2) === 0) await takeAway(desk, parcel)
      await sleep(desk.random.number(2 * LEASE_MS))
      await bring(desk, machine, data, parcel)
    }
  } catch (error) {
    desk.findings.complain(`the porter ended: ${describeError(error)}`)
  } finally {
    desk.client.close()
  }
}

interface Collecting {
  readonly policy: Policy
  readonly collections: Collections
  readonly findings: Findings
  readonly repositories: readonly Repository[]
}

async function collectOn(socket: string, sum: Collecting, signal: AbortSignal): Promise<void> {
  const { policy, collections, findings, repositories } = sum
  let turnAt = performance.now() + STRETCH_MS
  try {
    while (!signal.aborted && findings.complaints.length < MOST_COMPLAINTS) {
      if (performance.now() > turnAt) {
        turnAt = performance.now() + STRETCH_MS
        policy.untagged = !policy.untagged
        // Before the first collection that may take what is untagged.
        await Promise.all(repositories.map((each) => each.change(async () => each.forgetLoose())))
      }
      const report = await collectInto(collections, socket, { untagged: policy.untagged })
      if (!report.complete)
        findings.complain(`a collection could not read everything: ${JSON.stringify(report.problems)}`)
    }
  } catch (error) {
    findings.complain(`a collection ended: ${describeError(error)}`)
  }
}

/** One line of figures. */
export function describe(seconds: number, findings: Findings, collections: Collections): string {
  const { count, trashed, restored, deleted, removedManifests, removedRepositories, left, took, withProblems } =
    collections
  const median = took.toSorted((a, b) => a - b)[Math.floor(took.length / 2)] ?? 0
  return (
    `soak: ${seconds.toFixed(0)} s, ${findings.total} acts (${findings.describe()}), ${count} collections of ` +
    `${median.toFixed(0)} ms: ${trashed} blobs trashed, ${restored} given back, ${deleted} deleted, ` +
    `${removedManifests} manifests and ${removedRepositories} repositories removed, ${left} left for later, ` +
    `${withProblems} met something torn; ` +
    `${findings.late} too late, ${findings.again} tars again, ${findings.unjudged} not judged, ${findings.complaints.length} complaints`
  )
}
