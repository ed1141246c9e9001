// The servers of the bench: docker-registry as the upstream behind a relay, and in front of it Tarn as a mirror and
// docker-registry as a pull-through cache, with the same settings of logs and directories.
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { makeDockerRegistryProgram } from '../../e2e/helpers/docker-registry.ts'
import type { Machine } from '../../e2e/helpers/machine.ts'
import type { Tarn } from '../../e2e/helpers/tarn.ts'
import { makeTarnProgram, startRegistry } from '../../e2e/helpers/tarn.ts'
import type { Image, Layer } from '../../e2e/mirror/images.ts'
import { makeImage, pushBlob, putManifest } from '../../e2e/mirror/images.ts'
import type { Relay } from '../../e2e/mirror/relay.ts'
import { startRelay } from '../../e2e/mirror/relay.ts'
import { mirrorOf } from '../../e2e/mirror/scene.ts'
import { openClient } from '../../helpers/client.ts'
import { REPOSITORY } from '../helpers/fixture.ts'
import type { Peer } from '../helpers/peers.ts'
import { pushBlob as pushFile } from '../helpers/transfer.ts'
import type { PullTask, PullTimes } from './pull-worker.ts'

export interface Field {
  /** The upstream itself. */
  readonly upstream: Peer
  readonly relay: Relay
  /** Both ask the relay unless they are started on another address. */
  readonly startTarn: (url?: string) => Promise<Tarn>
  readonly startCache: (url?: string) => Promise<Tarn>
}

// Lines of an access log would go through this process, which has the relay to run.
const QUIET = { log: { level: 'info', accesslog: { disabled: true } } }

export async function setField(machine: Machine, checkout: string): Promise<Field> {
  const program = makeDockerRegistryProgram()
  const upstream = asPeer(await startRegistry(machine, program, { config: QUIET }), 'docker-registry')
  const relay = await startRelay(upstream.port, { onEnd: (act) => machine.onEnd(act) })
  return {
    upstream,
    relay,
    startTarn: (url = relay.url) =>
      startRegistry(machine, makeTarnProgram(checkout, process.execPath), { config: { ...QUIET, ...mirrorOf(url) } }),
    startCache: (url = relay.url) =>
      startRegistry(machine, program, { config: { ...QUIET, proxy: { remoteurl: url } } }),
  }
}

export function asPeer({ url, service }: Tarn, name: Peer['name']): Peer {
  return { name, way: 'plain', url, port: Number(new URL(url).port), pid: service.pid, login: undefined, ca: undefined }
}

/** Pushes an image of one large layer to the upstream, under `tag` of the bench's repository. */
export async function pushLarge(machine: Machine, upstream: Peer, layer: Layer, tag: string): Promise<Image> {
  const image = makeImage([layer])
  const path = join(await machine.scratch('bench-layer'), 'layer')
  await writeFile(path, layer.bytes)
  await pushFile(machine, upstream, { path, size: layer.bytes.length, digest: layer.digest })
  await rm(path)
  const client = openClient({ url: upstream.url })
  try {
    await pushBlob(client, REPOSITORY, image.config)
    await putManifest(client, REPOSITORY, tag, image.manifest)
  } finally {
    client.close()
  }
  return image
}

/** Pulls it in a thread of its own. */
export async function pullCold(task: PullTask): Promise<PullTimes> {
  const worker = new Worker(new URL('pull-worker.ts', import.meta.url), { workerData: task })
  try {
    return await new Promise<PullTimes>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
  } finally {
    await worker.terminate()
  }
}
