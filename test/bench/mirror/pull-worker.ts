// A worker that pulls a cold image as clients do, manifest by tag and then its large layer, and takes the times of that.
// It is a thread of its own so that it does not hold up the relay of the bench.
import { parentPort, workerData } from 'node:worker_threads'
import { fetchWhole } from '../../e2e/mirror/fetch.ts'

export interface PullTask {
  /** Origin. */
  readonly base: string
  readonly repository: string
  readonly tag: string
  readonly layer: string
}

export interface PullTimes {
  /** Milliseconds from the request for the manifest to the first byte of the layer, and to its last. */
  readonly first: number
  readonly last: number
}

if (parentPort !== null) parentPort.postMessage(await pull(workerData as PullTask))

async function pull({ base, repository, tag, layer }: PullTask): Promise<PullTimes> {
  const began = performance.now()
  const manifest = await fetchWhole(`${base}/v2/${repository}/manifests/${tag}`)
  if (manifest.status !== 200) throw new Error(`the manifest was answered ${manifest.status}`)
  const before = performance.now() - began
  const { status, digest, first, last } = await fetchWhole(`${base}/v2/${repository}/blobs/${layer}`)
  if (status !== 200 || digest !== layer) throw new Error(`the layer came as ${status} ${digest}`)
  return { first: before + first, last: before + last }
}
