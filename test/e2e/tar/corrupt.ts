// I5 on a disk that rots: flipped and missing bytes are never served whole, HEAD says 404, and a push heals. The
// mtime is put back after each injury, as rot would leave it. docker-registry must fail the same check.
import { open, stat, truncate, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client, Reply } from '../durability/client.ts'
import { connectTo } from '../durability/client.ts'
import {
  TYPES,
  describe,
  digestOf,
  getBlob,
  getManifest,
  imageManifest,
  pushBlob,
  putManifest,
} from '../durability/push.ts'
import type { Random } from '../durability/random.ts'
import { makeRandom } from '../durability/random.ts'
import type { Served } from '../durability/serve.ts'
import { serve, writeConfig } from '../durability/serve.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'

// 64 KiB is what Tarn withholds until the digest is right: less, exactly that, one more, and much more.
const SIZES = [1, 10_000, 65_536, 65_537, 5_000_000] as const
const REPOSITORY = 'rot/app'

type Injury = (path: string) => Promise<void>

const INJURIES: Readonly<Record<string, Injury>> = {
  'its first byte flipped': (path) => flip(path, () => 0),
  'a byte in the middle flipped': (path) => flip(path, (size) => Math.floor(size / 2)),
  'its last byte flipped': (path) => flip(path, (size) => size - 1),
  'its second half missing': (path) => shorten(path, (size) => Math.floor(size / 2)),
  'its last byte missing': (path) => shorten(path, (size) => size - 1),
  'no bytes': (path) => shorten(path, () => 0),
  'a byte too many': append,
}

/** Adds a row for each injury, and the proof that the check sees bad bytes. */
export async function checkCorruption(context: E2EContext, recorder: Recorder, seed: string): Promise<void> {
  const data = await context.machine.scratch('rot')
  const configFile = await writeConfig(context, data)
  const random = makeRandom(seed)
  for (const [injured, injure] of Object.entries(INJURIES)) {
    for (const when of ['under a running server that served it', 'before the server starts'] as const) {
      await recorder.check(`a blob with ${injured} ${when} is never served whole, and a push heals it`, async () => {
        let served = await serve(context, configFile)
        let client = connectTo(served.origin)
        const blobs = SIZES.map((size) => random.bytes(size))
        for (const bytes of blobs) await expectStatus(pushBlob(client, REPOSITORY, bytes), 201, 'push')
        for (const bytes of blobs) await expectStatus(getBlob(client, REPOSITORY, digestOf(bytes)), 200, 'GET')
        const isEarly = when === 'before the server starts'
        if (isEarly) await served.kill('SIGTERM')
        for (const bytes of blobs) await keepMtime(blobPath(data, bytes), injure)
        if (isEarly) {
          client.close()
          served = await serve(context, configFile)
          client = connectTo(served.origin)
        }
        for (const bytes of blobs) await expectRefused(client, bytes)
        for (const bytes of blobs) await expectHealed(client, bytes)
        client.close()
        await served.kill('SIGTERM')
      })
    }
  }
  await recorder.check('a manifest with a flipped byte is never served, and a push heals it', () =>
    checkManifest(context, data, configFile, random),
  )
  await recorder.check('the check sees that docker-registry 2.8.2 serves flipped and missing bytes', async () => {
    for (const injured of ['a byte in the middle flipped', 'its second half missing']) {
      await expectBadServer(context, INJURIES[injured] ?? append, random)
    }
  })
}

async function expectRefused(client: Client, bytes: Buffer): Promise<void> {
  const digest = digestOf(bytes)
  const path = `/v2/${REPOSITORY}/blobs/${digest}`
  // Twice: the first reading finds out, the second must remember. Then the parts and the facts.
  for (let time = 0; time < 2; time++) {
    refuseWhole(await client.get(path), `GET of ${bytes.byteLength} bytes`, bytes)
    refuseWhole(
      await client.get(path, { Range: 'bytes=0-99' }),
      `Range of ${bytes.byteLength} bytes`,
      bytes.subarray(0, 100),
    )
  }
  await expectStatus(client.send({ method: 'HEAD', path }), 404, `HEAD of ${bytes.byteLength} bytes`)
  await expectStatus(client.get(path), 404, `GET of ${bytes.byteLength} bytes after HEAD`)
}

function refuseWhole(reply: Reply, what: string, expected: Buffer): void {
  if (reply.status >= 500) throw new Error(`${what}: ${reply.status}`)
  if (reply.clean && reply.status < 300 && !reply.body.equals(expected))
    throw new Error(`${what}: wrong bytes with a clean end`)
}

async function expectHealed(client: Client, bytes: Buffer): Promise<void> {
  await expectStatus(pushBlob(client, REPOSITORY, bytes), 201, 'push that heals')
  const reply = await getBlob(client, REPOSITORY, digestOf(bytes))
  if (reply.status !== 200 || `sha256:${reply.sha256}` !== digestOf(bytes))
    throw new Error(`${reply.status} after the push that heals`)
  await expectStatus(
    client.send({ method: 'HEAD', path: `/v2/${REPOSITORY}/blobs/${digestOf(bytes)}` }),
    200,
    'HEAD after',
  )
}

async function checkManifest(context: E2EContext, data: string, configFile: string, random: Random): Promise<void> {
  let served = await serve(context, configFile)
  let client = connectTo(served.origin)
  const config = random.bytes(100)
  const bytes = imageManifest(describe(TYPES.config, config), [], random.bytes(8).toString('hex'))
  await expectStatus(pushBlob(client, REPOSITORY, config), 201, 'push')
  await expectStatus(putManifest(client, REPOSITORY, 'latest', bytes), 201, 'push')
  await served.kill('SIGTERM')
  client.close()
  await keepMtime(blobPath(data, bytes), (path) => flip(path, (size) => size - 5))
  served = await serve(context, configFile)
  client = connectTo(served.origin)
  for (const reference of ['latest', digestOf(bytes)]) {
    await expectStatus(getManifest(client, REPOSITORY, reference), 404, `GET ${reference}`)
    const path = `/v2/${REPOSITORY}/manifests/${reference}`
    await expectStatus(client.send({ method: 'HEAD', path }), 404, `HEAD ${reference}`)
  }
  await expectStatus(putManifest(client, REPOSITORY, 'latest', bytes), 201, 'push that heals')
  const reply = await getManifest(client, REPOSITORY, 'latest')
  if (!reply.body.equals(bytes)) throw new Error(`${reply.status} after the push that heals`)
  client.close()
  await served.kill('SIGTERM')
}

async function expectBadServer(context: E2EContext, injure: Injury, random: Random): Promise<void> {
  const data = await context.machine.scratch('rot-docker')
  const served: Served = await serve(context, await writeConfig(context, data), { binary: 'docker-registry' })
  const client = connectTo(served.origin)
  const bytes = random.bytes(10_000)
  await expectStatus(pushBlob(client, REPOSITORY, bytes), 201, 'push')
  await injure(blobPath(data, bytes))
  const error = await expectRefused(client, bytes).then(
    () => undefined,
    (failure: Error) => failure,
  )
  client.close()
  await served.kill('SIGTERM')
  if (error?.message.includes('clean end') !== true) throw new Error(`not seen: ${error?.message}`)
}

async function expectStatus(asked: Promise<Reply>, status: number, what: string): Promise<void> {
  const reply = await asked
  if (reply.status !== status || !reply.clean) {
    throw new Error(
      `${what}: ${reply.status}${reply.clean ? '' : ', cut off'} instead of ${status} ${reply.body.toString('latin1', 0, 200)}`,
    )
  }
}

function blobPath(data: string, bytes: Buffer): string {
  const hex = digestOf(bytes).slice('sha256:'.length)
  return join(data, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
}

async function keepMtime(path: string, injure: Injury): Promise<void> {
  const { atime, mtime } = await stat(path)
  await injure(path)
  await utimes(path, atime, mtime)
}

async function flip(path: string, place: (size: number) => number): Promise<void> {
  const handle = await open(path, 'r+')
  try {
    const at = place((await handle.stat()).size)
    const byte = Buffer.alloc(1)
    await handle.read(byte, 0, 1, at)
    byte[0] = (byte[0] ?? 0) ^ 1
    await handle.write(byte, 0, 1, at)
  } finally {
    await handle.close()
  }
}

async function shorten(path: string, size: (size: number) => number): Promise<void> {
  await truncate(path, size((await stat(path)).size))
}

async function append(path: string): Promise<void> {
  const handle = await open(path, 'a')
  await handle.write('!')
  await handle.close()
}
