// What collections cost those who pull: the same steady pulls with and without a collection running, in turns of a second
// so that whatever else the machine does hits both alike. "No pull slower than twice its median because of it."
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { connectTo, describeReply } from '../durability/client.ts'
import { getBlob, getManifest } from '../durability/push.ts'
import { makeRandom } from '../durability/random.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { collect } from './collections.ts'
import { buildImage, putImage } from './files.ts'
import { serveCollecting } from './serve.ts'

const REPOSITORIES = 500
const TURNS = 12
const TURN_MS = 1000
const CONNECTIONS = 2
const DAY_MS = 86_400_000

interface Measured {
  readonly quiet: number[]
  readonly collecting: number[]
  collections: number
}

/** Adds one row; its name says the figures. */
export async function checkPulls(context: E2EContext, recorder: Recorder): Promise<void> {
  let measured: Measured | undefined
  await recorder.check('pulls go on while collections run', async () => {
    measured = await measure(context)
  })
  if (measured === undefined) return
  const { quiet, collecting, collections } = measured
  const figures = [quiet, collecting].map((times) => {
    const sorted = times.toSorted((a, b) => a - b)
    const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN
    return { p50: at(0.5), p99: at(0.99), pulls: sorted.length }
  })
  const [alone, beside] = figures as [(typeof figures)[0], (typeof figures)[0]]
  const slow = (times: readonly number[]): number =>
    (100 * times.filter((time) => time > 2 * alone.p50).length) / times.length
  const text =
    `median ${alone.p50.toFixed(2)} -> ${beside.p50.toFixed(2)} ms, p99 ${alone.p99.toFixed(2)} -> ${beside.p99.toFixed(2)} ms, ` +
    `slower than twice the quiet median ${slow(quiet).toFixed(1)} -> ${slow(collecting).toFixed(1)} %, ` +
    `${alone.pulls} and ${beside.pulls} pulls, ${collections} collections`
  context.progress(`pulls beside collections: ${text}`)
  await recorder.check(`pulls beside collections: the median is not doubled (${text})`, async () => {
    if (collections < TURNS / 2) throw new Error('there were too few collections')
    if (!(beside.p50 < 2 * alone.p50)) throw new Error('it is')
  })
}

async function measure(context: E2EContext): Promise<Measured> {
  const data = join(await context.machine.scratch('pulls'), 'data')
  await mkdir(data)
  const random = makeRandom('pulls')
  const built = Array.from({ length: REPOSITORIES }, (_, at) => {
    const image = buildImage(random.bytes(100), [random.bytes(2000), random.bytes(8000)])
    putImage(data, `app/number${at}`, image, 'latest')
    return image
  })
  const server = await serveCollecting(context, data, { lease: DAY_MS, grace: DAY_MS })
  const measured: Measured = { quiet: [], collecting: [], collections: 0 }
  const pullUntil = async (until: number, times: number[]): Promise<void> => {
    const client = connectTo(server.origin, 1)
    while (performance.now() < until) {
      const at = random.number(REPOSITORIES)
      const digest = built[at]?.image.blobs[1]?.digest ?? ''
      const began = performance.now()
      const manifest = await getManifest(client, `app/number${at}`, 'latest')
      const blob = await getBlob(client, `app/number${at}`, digest)
      times.push(performance.now() - began)
      for (const reply of [manifest, blob]) if (reply.status !== 200) throw new Error(`pull: ${describeReply(reply)}`)
    }
    client.close()
  }
  const turn = async (times: number[]): Promise<void> => {
    const until = performance.now() + TURN_MS
    await Promise.all(Array.from({ length: CONNECTIONS }, () => pullUntil(until, times)))
  }
  try {
    // Every blob is hashed when it is first served.
    for (let at = 0; at < 3; at++) await turn([])
    for (let at = 0; at < TURNS; at++) {
      await turn(measured.quiet)
      const stop = new AbortController()
      const collecting = (async () => {
        for (; !stop.signal.aborted; measured.collections++) await collect(server.socket, {})
      })()
      await Promise.all([turn(measured.collecting).finally(() => stop.abort()), collecting])
    }
  } finally {
    await server.stop()
  }
  return measured
}
