// The three moments at which only one protection of collection stands between a client and a lost blob, each repeated on
// purpose: a promise that outlives the age of its link, a push that takes longer than a lease, and a tar that skips a
// blob right before it is collected. Each gives its complaints; a whole server has none.
import { createHash } from 'node:crypto'
import { existsSync, truncateSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connectTo, describeReply } from '../durability/client.ts'
import { getBlob, getManifest, pushBlob, putManifest, digestOf, TYPES } from '../durability/push.ts'
import type { Random } from '../durability/random.ts'
import { makeRandom } from '../durability/random.ts'
import type { E2EContext } from '../helpers/suite.ts'
import { collect } from './collections.ts'
import { now } from './desk.ts'
import { blobFile, buildImage, layerLink, put, putImage } from './files.ts'
import { bringInTwo, findLinks } from './porter.ts'
import type { CollectingServer } from './serve.ts'

export interface Trial {
  readonly context: E2EContext
  readonly server: CollectingServer
  /** Milliseconds. */
  readonly lease: number
  /** Milliseconds for moments that come by chance; what complains ends at once. */
  readonly patience: number
  readonly random: Random
}

export interface Outcome {
  /** How often the moment was there. */
  readonly tried: number
  readonly complaints: readonly string[]
}

export type Focus = (trial: Trial) => Promise<Outcome>

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))

/** Collects without pause while `act` runs. */
async function whileCollecting<T>({ server }: Trial, act: () => Promise<T>): Promise<T> {
  const stop = new AbortController()
  const collecting = (async () => {
    while (!stop.signal.aborted) await collect(server.socket, {})
  })()
  // Awaited below; until then its failure must not end this process.
  collecting.catch(() => undefined)
  try {
    return await act()
  } finally {
    stop.abort()
    await collecting
  }
}

const ASKERS = 24

/**
 * A client pushes a blob, is told a little later that it exists, and names it in a manifest before a lease has passed
 * since. Its link is older than a lease by then: a collection has no other reason to leave it than the promise.
 */
export const askThenPush: Focus = async (trial) => {
  const { server, lease } = trial
  const complaints: string[] = []
  let tried = 0
  const until = now() + trial.patience
  const ask = async (at: number): Promise<void> => {
    const client = connectTo(server.origin, 2)
    const random = makeRandom(`${trial.random.number(2 ** 32)}`)
    const name = `asker/${at}`
    while (now() < until && complaints.length === 0) {
      const config = Buffer.from(JSON.stringify({ note: random.bytes(8).toString('hex') }))
      const { image } = buildImage(config, [])
      const path = `/v2/${name}/blobs/${digestOf(config)}`
      const pushedAt = now()
      const pushed = await pushBlob(client, name, config)
      if (pushed.status !== 201) complaints.push(`blob push: ${describeReply(pushed)}`)
      // A link that is older than half a lease would be made young again by the question.
      await sleep(pushedAt + 0.4 * lease - now())
      const askedAt = now()
      const { status } = await client.send({ method: 'HEAD', path })
      await sleep(askedAt + (0.75 + random.number(20) / 100) * lease - now())
      const reply = await putManifest(client, name, image.digest, image.bytes)
      const age = now() - askedAt
      if (status !== 200 || age >= lease) continue
      tried++
      if (reply.status !== 201) {
        complaints.push(
          `manifest push ${Math.round(age)} ms after HEAD said that its blob exists: ${describeReply(reply)}`,
        )
      }
    }
    client.close()
  }
  await whileCollecting(trial, () => Promise.all(Array.from({ length: ASKERS }, (_, at) => ask(at))))
  return { tried, complaints }
}

const SLOW_PUSHES = 2

/**
 * A push that takes longer than a lease: a manifest names a large blob that came by tar, whose bytes the server must hash
 * before it may link the manifest. What the push looked at must stay until its links are written.
 */
export const pushSlowly: Focus = async (trial) => {
  const { server, lease } = trial
  const client = connectTo(server.origin, 2)
  const complaints: string[] = []
  let tried = 0
  const zeros = new Zeros()
  // As much as takes this machine two leases and a half to hash; other loads make it longer.
  await zeros.growFor(2.5 * lease)
  await whileCollecting(trial, async () => {
    for (let tries = 0; tried < SLOW_PUSHES && tries < 3 * SLOW_PUSHES && complaints.length === 0; tries++) {
      const { digest: large, size } = zeros.next()
      plantZeros(server.data, 'slow', large, size)
      const config = Buffer.from(JSON.stringify({ note: large }))
      put(blobFile(server.data, digestOf(config)), config)
      put(layerLink(server.data, 'slow', digestOf(config)), digestOf(config))
      const bytes = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: TYPES.manifest,
          config: { mediaType: TYPES.config, digest: digestOf(config), size: config.byteLength },
          layers: [{ mediaType: TYPES.layer, digest: large, size }],
        }),
      )
      const sentAt = now()
      const reply = await putManifest(client, 'slow', `v${tries}`, bytes)
      const took = Math.round(now() - sentAt)
      // A quick one proves nothing: no collection came in between.
      if (took > 1.5 * lease) tried++
      else await zeros.growFor(lease)
      if (reply.status !== 201) complaints.push(`a manifest push of ${took} ms: ${describeReply(reply)}`)
    }
  })
  client.close()
  return { tried, complaints }
}

const ZEROS = Buffer.alloc(16 * 1024 * 1024)

/** Files of zeros, each a byte longer than the one before, with their digests. */
class Zeros {
  readonly #hash = createHash('sha256')
  #size = 0

  /** Makes the next ones longer by what this machine hashes in so many milliseconds. */
  async growFor(milliseconds: number): Promise<void> {
    for (let spent = 0; spent < milliseconds;) {
      const began = now()
      this.#hash.update(ZEROS)
      spent += now() - began
      this.#size += ZEROS.byteLength
      await sleep(0)
    }
  }

  next(): { digest: string; size: number } {
    this.#hash.update(ZEROS.subarray(0, 1))
    this.#size++
    return { digest: `sha256:${this.#hash.copy().digest('hex')}`, size: this.#size }
  }
}

// As tar does it: in place, past the server. A file without blocks on the disk.
function plantZeros(data: string, name: string, digest: string, size: number): void {
  const path = blobFile(data, digest)
  put(path, '')
  truncateSync(path, size)
  put(layerLink(data, name, digest), digest)
}

const SLOW_TARS = 3
const PATIENCE_MS = 30_000

/**
 * A slow tar with --skip-old-files: the blob is there when tar comes to it, and in the trash when tar has written the
 * links that lead to it.
 */
export const unpackSlowly: Focus = async (trial) => {
  const { server, context, random } = trial
  const client = connectTo(server.origin, 2)
  const complaints: string[] = []
  let tried = 0
  // A directory with blobs and without repositories is not collected at all.
  putImage(server.data, 'tar/first', buildImage(random.bytes(50), []), 'latest')
  for (let at = 0; at < SLOW_TARS; at++) {
    const name = `tar/app${at}`
    const built = buildImage(random.bytes(50), [random.bytes(3000)])
    const folder = await context.machine.scratch('slow-tar')
    putImage(join(folder, 'data'), name, built, 'latest')
    const file = join(folder, 'slow.tar')
    await context.machine.run('tar', ['--sort=name', '-cf', file, '-C', join(folder, 'data'), '.'])
    const archive = await readFile(file)
    for (const [digest, bytes] of built.parts) put(blobFile(server.data, digest), bytes)
    const digests = [...built.parts.keys()]
    await bringInTwo(context.machine, server.data, archive, findLinks(archive), () =>
      whileCollecting(trial, async () => {
        const isTaken = (digest: string): boolean => !existsSync(blobFile(server.data, digest))
        for (const until = now() + PATIENCE_MS; !digests.every(isTaken);) {
          if (now() > until) throw new Error('no collection took a blob that nothing leads to')
          await sleep(10)
        }
      }),
    )
    tried++
    const manifest = await getManifest(client, name, 'latest')
    if (manifest.status !== 200) complaints.push(`manifest pull after tar: ${describeReply(manifest)}`)
    for (const digest of digests) {
      const reply = await getBlob(client, name, digest)
      if (`sha256:${reply.sha256}` !== digest) complaints.push(`blob pull after tar: ${describeReply(reply)}`)
    }
  }
  client.close()
  return { tried, complaints }
}
