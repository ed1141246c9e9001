// A thread that pulls: over several connections, each time a manifest by tag and a small layer of some repository, and
// says how long each answer took. At a given pace it sends when it is time to, and counts the wait of a late start too.
import { parentPort, workerData } from 'node:worker_threads'
import { connectTo, describeReply } from '../../e2e/durability/client.ts'
import { getBlob, getManifest } from '../../e2e/durability/push.ts'
import type { Planted } from './plant.ts'

export interface PullTask {
  readonly origin: string
  readonly repositories: readonly Planted[]
  readonly connections: number
  /** Pulls a second over all connections; undefined for as many as can be. */
  readonly pace?: number | undefined
}

/** What a window came to; times in milliseconds. */
export interface PullTimes {
  readonly times: Float64Array
  readonly seconds: number
}

const { origin, repositories, connections, pace } = workerData as PullTask
let window: { times: number[]; began: number } | undefined
let failed = false

parentPort?.on('message', (word: 'begin' | 'end' | 'stop') => {
  if (word === 'begin') window = { times: [], began: performance.now() }
  if (word === 'end' && window !== undefined) {
    const { times, began } = window
    window = undefined
    parentPort?.postMessage({
      times: Float64Array.from(times),
      seconds: (performance.now() - began) / 1000,
    } satisfies PullTimes)
  }
  if (word === 'stop') process.exit(0)
})

for (let at = 0; at < connections; at++) void pull(at)

async function pull(own: number): Promise<void> {
  const client = connectTo(origin, 1)
  const between = pace === undefined ? 0 : (1000 * connections) / pace
  let due = performance.now() + (between * own) / connections
  for (let at = own; !failed; at += connections) {
    const { name, layer } = repositories[at % repositories.length] as Planted
    if (between > 0) {
      const wait = due - performance.now()
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
      due += between
    }
    const began = performance.now()
    const manifest = await getManifest(client, name, 'latest')
    const blob = await getBlob(client, name, layer)
    const wrong = [manifest, blob].find((reply) => reply.status !== 200 || !reply.clean)
    if (wrong !== undefined) {
      failed = true
      throw new Error(`a pull of ${name}: ${describeReply(wrong)}`)
    }
    window?.times.push(performance.now() - began)
  }
}
