// The data directory that a tar carries: a gigabyte of a few large blobs and many small images, pushed into a
// server that ends before the tar is made. What it holds is in a ledger; of large blobs some slices are kept, since
// the bytes themselves would not fit in memory.
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from '../durability/client.ts'
import { connectTo } from '../durability/client.ts'
import { demand } from '../durability/desks.ts'
import { Ledger } from '../durability/ledger.ts'
import { TYPES, describe, digestOf, imageManifest, pushBlob, putManifest } from '../durability/push.ts'
import type { Random } from '../durability/random.ts'
import { makeRandom } from '../durability/random.ts'
import { serve, writeConfig } from '../durability/serve.ts'
import type { E2EContext } from '../helpers/suite.ts'

const MEBIBYTE = 1024 * 1024
const LARGE = 100 * MEBIBYTE
const SMALL_IMAGES = 120

export interface Slice {
  readonly repository: string
  readonly digest: string
  readonly from: number
  readonly bytes: Buffer
}

export interface Stock {
  readonly tarFile: string
  readonly ledger: Ledger
  readonly slices: readonly Slice[]
  /** Small blobs, whole, by digest. */
  readonly small: ReadonlyMap<string, Buffer>
  /** `many/repository` names whose tag `latest` another image had before. */
  readonly repositories: readonly string[]
}

/** Makes a tar of about `megabytes` from pushes to a server of its own; the directory itself is removed again. */
export async function makeStock(context: E2EContext, megabytes: number, seed: string): Promise<Stock> {
  const folder = await context.machine.scratch('stock')
  const data = join(folder, 'data')
  await mkdir(data)
  const served = await serve(context, await writeConfig(context, data))
  const client = connectTo(served.origin)
  const ledger = new Ledger()
  const random = makeRandom(seed)
  const slices = await pushLarge(client, ledger, random, megabytes)
  const small = new Map<string, Buffer>()
  const repositories = await pushSmall(client, ledger, random, small)
  client.close()
  await demand(served, ledger, [], 'while the stock was made')
  await served.kill('SIGTERM')
  const tarFile = join(folder, 'stock.tar')
  // Everything, as a person does it: also what Tarn keeps under .tarn.
  await context.machine.run('tar', ['-cf', tarFile, '-C', data, '.'])
  await rm(data, { recursive: true })
  return { tarFile, ledger, slices, small, repositories }
}

async function pushLarge(client: Client, ledger: Ledger, random: Random, megabytes: number): Promise<Slice[]> {
  const repository = 'big/layers'
  const slices: Slice[] = []
  const layers = []
  for (let left = megabytes * MEBIBYTE; left > 0; left -= LARGE) {
    const bytes = random.bytes(Math.min(left, LARGE))
    const layer = describe(TYPES.layer, bytes)
    layers.push(layer)
    const { digest } = layer
    for (const from of [0, Math.floor(bytes.byteLength / 2), Math.max(0, bytes.byteLength - 70_000)]) {
      slices.push({ repository, digest, from, bytes: Buffer.from(bytes.subarray(from, from + 70_000)) })
    }
    const changes = [{ name: `blob ${repository} ${digest}` as const, state: digest }]
    await ledger.attempt(changes, 201, () => pushBlob(client, repository, bytes))
  }
  const config = random.bytes(300)
  await keepBlob(client, ledger, repository, config)
  await keepImage(client, ledger, repository, imageManifest(describe(TYPES.config, config), layers, 'large'))
  return slices
}

async function pushSmall(
  client: Client,
  ledger: Ledger,
  random: Random,
  small: Map<string, Buffer>,
): Promise<string[]> {
  const repositories: string[] = []
  for (let at = 0; at < SMALL_IMAGES; at++) {
    const repository = `many/app${at}`
    repositories.push(repository)
    const blobs = [random.bytes(400), random.bytes(1 + random.number(200_000)), random.bytes(1 + random.number(5000))]
    for (const bytes of blobs) {
      small.set(digestOf(bytes), bytes)
      await keepBlob(client, ledger, repository, bytes)
    }
    const [config, ...layers] = blobs.map((bytes) => describe(TYPES.layer, bytes))
    if (config === undefined) continue
    const bytes = imageManifest({ ...config, mediaType: TYPES.config }, layers, `small ${at}`)
    await keepImage(client, ledger, repository, bytes)
  }
  return repositories
}

export async function keepBlob(client: Client, ledger: Ledger, repository: string, bytes: Buffer): Promise<void> {
  const digest = digestOf(bytes)
  const changes = [{ name: `blob ${repository} ${digest}` as const, state: digest }]
  await ledger.attempt(changes, 201, () => pushBlob(client, repository, bytes))
}

/** Pushes a manifest as `latest`. */
export async function keepImage(client: Client, ledger: Ledger, repository: string, bytes: Buffer): Promise<void> {
  const digest = digestOf(bytes)
  const changes = [
    { name: `manifest ${repository} ${digest}` as const, state: digest },
    { name: `tag ${repository} latest` as const, state: digest },
  ]
  await ledger.attempt(changes, 201, () => putManifest(client, repository, 'latest', bytes))
}
