// Who writes in the crash tests, how their load ends, and the question that every restarted server is asked. A
// writer keeps its random source and its memory of manifests over all server lives.
import { connectTo } from './client.ts'
import type { Ledger, Name } from './ledger.ts'
import { digestOf, pushBlob } from './push.ts'
import type { Random } from './random.ts'
import { makeRandom } from './random.ts'
import type { Served } from './serve.ts'
import type { Desk } from './writers.ts'
import { write } from './writers.ts'

export const WRITERS = 8

// Repositories that a writer goes through, so that both fresh and old ones are written to when a life ends.
const REPOSITORIES = 10

/** Seats a writer at a running server; the round chooses its repository. */
export type OpenDesk = (origin: string, round: number) => Desk

/** Makes the desks of all writers. */
export function makeDesks(ledger: Ledger, random: Random): OpenDesk[] {
  return Array.from({ length: WRITERS }, (_, writer) => {
    const own = {
      ledger,
      random: makeRandom(`${writer} ${random.number(2 ** 32)}`),
      manifests: new Map<string, Buffer>(),
      loose: new Set<string>(),
      neighbour: 'pool',
    }
    return (origin, round) => ({
      ...own,
      client: connectTo(origin),
      repository: `writer${writer}/app${round % REPOSITORIES}`,
    })
  })
}

/** Pushes the blobs that all may mount and nobody deletes. */
export async function fillPool(served: Served, ledger: Ledger, random: Random): Promise<void> {
  const client = connectTo(served.origin)
  for (let at = 0; at < 10; at++) {
    const bytes = random.bytes(1000 + at)
    const digest = digestOf(bytes)
    const change = { name: `blob pool ${digest}` as const, state: digest }
    await ledger.attempt([change], 201, () => pushBlob(client, 'pool', bytes))
  }
  client.close()
}

/**
 * Lets all writers write and calls `end` in the middle of it, right after some acknowledgement. Gives the names
 * in the repositories that were written to.
 */
export async function loadUntil(served: Served, desks: readonly OpenDesk[], round: Round): Promise<Name[]> {
  const { ledger, random } = round
  const open = desks.map((openDesk) => openDesk(served.origin, round.number))
  const stop = new AbortController()
  const writers = Promise.all(open.map((desk) => write(desk, stop.signal)))
  // A moment counted in answers: on a slow machine a round still does something, on a fast one not too much.
  await Promise.race([writers, ledger.reach(ledger.acks + 5 + random.number(50))])
  await round.end()
  stop.abort()
  await writers
  for (const desk of open) desk.client.close()
  const touched = new Set(open.map((desk) => desk.repository))
  return ledger.names().filter((name) => touched.has(name.split(' ')[1] ?? ''))
}

export interface Round {
  readonly number: number
  readonly ledger: Ledger
  readonly random: Random
  /** Ends the server's life; the writers see their connections break. */
  end(): Promise<void>
}

/** Asks a server for `names` and throws when it does not keep what the ledger says, or when a writer met a fault. */
export async function demand(served: Served, ledger: Ledger, names: readonly Name[], when: string): Promise<void> {
  const client = connectTo(served.origin)
  try {
    const problems = [...(await ledger.check(client, names)), ...ledger.faults]
    if (problems.length > 0) {
      throw new Error(`${when}: ${problems.length} problems: ${problems.slice(0, 5).join('; ')}`)
    }
  } finally {
    client.close()
  }
}
