// One read upstream however many ask (I9): bytes are counted on the wire between Tarn and its upstream.
import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { digestOf } from '../helpers/image-fixture.ts'
import type { CrowdTask, CrowdTimes } from './crowd.ts'
import { fetchWhole } from './fetch.ts'
import { makeImage, makeLayer, pushBlob, pushImage } from './images.ts'
import { pullBlob, pullWhole } from './pull.ts'
import type { Scene } from './scene.ts'
import { HOST, must, setScene, waitForTag } from './scene.ts'

const MIB = 1024 * 1024
/** MiB of the blob that all want; the full size is 512. */
const LARGE = Number(process.env['TARN_E2E_MIRROR_MIB'] ?? 32)
const CLIENTS = 100

export async function checkFlights(context: E2EContext, recorder: Recorder): Promise<void> {
  const scene = await setScene(context)
  const { upstream, relay, tarn } = scene
  const repository = `${HOST}/team/large`

  await recorder.check(`${CLIENTS} clients of one cold blob of ${LARGE} MiB: read upstream once`, async () => {
    const bytes = randomBytes(LARGE * MIB)
    const digest = digestOf(bytes)
    await pushBlob(upstream.client, 'team/large', { bytes, digest })
    const url = `${tarn.url}/v2/${repository}/blobs/${digest}`
    const { wrong } = await sendCrowd({ url, digest, clients: CLIENTS })
    must(wrong === 0, `${wrong} of ${CLIENTS} clients did not get the blob`)
    const ratio = relay.bytesOf(digest) / bytes.length
    must(ratio >= 1 && ratio < 1.005, `${ratio.toFixed(3)} times the blob was read upstream`)
  })

  await recorder.check('clients that come in the middle, and parts of it, read from the file that grows', async () => {
    const bytes = randomBytes(16 * MIB)
    const digest = digestOf(bytes)
    await pushBlob(upstream.client, 'team/large', { bytes, digest })
    relay.shape(8 * MIB)
    const url = `${tarn.url}/v2/${repository}/blobs/${digest}`
    const first = fetchWhole(url)
    await relay.reached(digest, 4 * MIB)
    // The end of a part is withheld too until the digest is right; what lies before it comes at once.
    const early = await fetchWhole(url, { headers: { range: `bytes=1000-${3 * MIB}` }, leaveAfter: MIB })
    const late = fetchWhole(url)
    const end = fetchWhole(url, { headers: { range: `bytes=${bytes.length - 500}-` } })
    const under = relay.bytesOf(digest)
    must(early.status === 206 && early.body.equals(bytes.subarray(1000, 1000 + early.size)), 'the early part is wrong')
    must(under < bytes.length, 'the part came only when the blob was whole')
    const all = await Promise.all([first, late])
    for (const each of all) must(each.digest === digest, 'a whole answer is wrong')
    must((await end).digest === digestOf(bytes.subarray(-500)), 'the last part is wrong')
    relay.shape(undefined)
    must(relay.requestsFor(digest).length === 1, `${relay.requestsFor(digest).length} requests upstream`)
  })

  await recorder.check(
    'the first byte comes while the blob still comes, the end only with the right digest',
    async () => {
      const bytes = randomBytes(8 * MIB)
      const digest = digestOf(bytes)
      await pushBlob(upstream.client, 'team/large', { bytes, digest })
      relay.shape(4 * MIB)
      const { first, last } = await fetchWhole(`${tarn.url}/v2/${repository}/blobs/${digest}`)
      relay.shape(undefined)
      must(first < last / 4, `first byte after ${first.toFixed(0)} of ${last.toFixed(0)} ms`)
    },
  )

  await recorder.check('a transfer goes on when its only client leaves, and is not read again', () =>
    checkLeaver(scene, repository),
  )

  await recorder.check('layers that two images share are read upstream once', async () => {
    const base = makeLayer('base', 2 * MIB)
    const images = ['one', 'two'].map((name) => makeImage([base, makeLayer(name, 100_000)]))
    for (const [at, image] of images.entries()) await pushImage(upstream.client, `team/shared${at}`, image, '1')
    for (const [at, image] of images.entries()) await pullWhole(tarn.url, `${HOST}/team/shared${at}`, '1', image)
    for (const at of images.keys()) await waitForTag(tarn, `${HOST}/team/shared${at}`, '1')
    const ratio = relay.bytesOf(base.digest) / base.bytes.length
    must(ratio >= 1 && ratio < 1.005, `${ratio.toFixed(3)} times the shared layer was read upstream`)
  })
}

async function checkLeaver({ upstream, relay, tarn }: Scene, repository: string): Promise<void> {
  const bytes = randomBytes(8 * MIB)
  const digest = digestOf(bytes)
  await pushBlob(upstream.client, 'team/large', { bytes, digest })
  relay.shape(8 * MIB)
  await fetchWhole(`${tarn.url}/v2/${repository}/blobs/${digest}`, { leaveAfter: MIB })
  await relay.reached(digest, bytes.length)
  relay.shape(undefined)
  await pullBlob(tarn.url, repository, digest)
  must(relay.requestsFor(digest).length === 1, `${relay.requestsFor(digest).length} requests upstream`)
}

/** Sends many clients at once from a thread of their own; gives how many did not get the right bytes. */
export async function sendCrowd(task: CrowdTask): Promise<CrowdTimes> {
  const worker = new Worker(new URL('crowd.ts', import.meta.url), { workerData: task })
  try {
    return await new Promise<CrowdTimes>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
  } finally {
    await worker.terminate()
  }
}
