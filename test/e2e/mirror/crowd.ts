// A worker that fetches one blob with many clients at once and hashes what each of them gets.
import { parentPort, workerData } from 'node:worker_threads'
import { fetchWhole } from './fetch.ts'

export interface CrowdTask {
  readonly url: string
  readonly digest: string
  readonly clients: number
}

export interface CrowdTimes {
  /** Clients that did not get the right bytes. */
  readonly wrong: number
  /** Milliseconds until the first byte, of each client. */
  readonly first: readonly number[]
  /** Milliseconds until all were served. */
  readonly all: number
}

if (parentPort !== null) parentPort.postMessage(await run(workerData as CrowdTask))

async function run({ url, digest, clients }: CrowdTask): Promise<CrowdTimes> {
  const began = performance.now()
  const results = await Promise.allSettled(Array.from({ length: clients }, () => fetchWhole(url)))
  const good = results.flatMap((each) =>
    each.status === 'fulfilled' && each.value.status === 200 && each.value.digest === digest ? [each.value] : [],
  )
  return { wrong: clients - good.length, first: good.map(({ first }) => first), all: performance.now() - began }
}
