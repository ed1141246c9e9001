// What breaks in the middle: the upstream, Tarn itself, and a fill that never ends. Nothing is read twice that came once,
// and no tag names an image that is not whole.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { openClient } from '../../helpers/client.ts'
import { makeDockerRegistryProgram } from '../helpers/docker-registry.ts'
import { digestOf } from '../helpers/image-fixture.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Tarn } from '../helpers/tarn.ts'
import { startRegistry } from '../helpers/tarn.ts'
import { fetchWhole } from './fetch.ts'
import type { Image } from './images.ts'
import { makeImage, makeLayer, pushBlob, pushImage } from './images.ts'
import { pullWhole } from './pull.ts'
import type { Scene } from './scene.ts'
import { checkApart, exists, HOST, mirrorOf, must, setScene, tagLink, waitForTag } from './scene.ts'

const MIB = 1024 * 1024
const LARGE = 16 * MIB
const RATE = 8 * MIB
const NAME = 'team/broken'
const REPOSITORY = `${HOST}/${NAME}`

export async function checkBroken(context: E2EContext, recorder: Recorder): Promise<void> {
  const check = checkApart(context, recorder)
  await check('an upstream killed in the middle of a blob and started again: the pull ends well', checkKilledUpstream)
  await check('an answer that is cut off ten times is gone on with each time', checkCuts)
  await check('kill -9 of Tarn in the middle of an image: taken up again without a client', checkKilledTarn)
  await check('a fill that is broken off leaves no tag: for Tarn offline, nor for registry:2 by tar', checkTorn)
  await check('an image of which the upstream lost a layer is never tagged', checkLostLayer)
}

async function checkKilledUpstream(context: E2EContext): Promise<void> {
  const { upstream, relay, tarn } = await setScene(context)
  const bytes = randomBytes(LARGE)
  const digest = digestOf(bytes)
  await pushBlob(upstream.client, NAME, { bytes, digest })
  relay.shape(RATE)
  const pull = fetchWhole(`${tarn.url}/v2/${REPOSITORY}/blobs/${digest}`)
  await relay.reached(digest, LARGE * 0.4)
  await upstream.kill()
  await upstream.restart()
  const { status, digest: got } = await pull
  must(status === 200 && got === digest, `the client got ${status} ${got}`)
  mustBeWithin(relay.bytesOf(digest) / LARGE, 1.1)
}

async function checkCuts(context: E2EContext): Promise<void> {
  const { upstream, relay, tarn } = await setScene(context)
  const bytes = randomBytes(LARGE)
  const digest = digestOf(bytes)
  await pushBlob(upstream.client, NAME, { bytes, digest })
  let cuts = 0
  const cut = (): void => {
    cuts += 1
    relay.cut(digest, LARGE / 11)
    if (cuts < 10) void relay.reached(digest, (cuts * LARGE) / 11).then(cut)
  }
  cut()
  const { status, digest: got } = await fetchWhole(`${tarn.url}/v2/${REPOSITORY}/blobs/${digest}`)
  must(status === 200 && got === digest, `the client got ${status} ${got}`)
  must(relay.requestsFor(digest).length > 10, `only ${relay.requestsFor(digest).length} requests came upstream`)
  mustBeWithin(relay.bytesOf(digest) / LARGE, 1.02)
}

async function checkKilledTarn(context: E2EContext): Promise<void> {
  const { scene, image, large } = await beginFill(context)
  const { relay, tarn } = scene
  await tarn.stop('SIGKILL')
  relay.shape(undefined)
  const again = await context.startTarn({ home: tarn.home, config: mirrorOf(relay.url) })
  await waitForTag(again, REPOSITORY, '1')
  mustBeWithin(relay.bytesOf(large) / LARGE, 1.1)
  await relay.down()
  await pullWhole(again.url, REPOSITORY, '1', image)
}

async function checkTorn(context: E2EContext): Promise<void> {
  const { machine } = context
  const { scene, image } = await beginFill(context)
  const { relay, tarn } = scene
  await relay.down()
  await tarn.stop('SIGKILL')
  const copy = await copyByTar(context, tarn.data)
  const peer = await startRegistry(machine, makeDockerRegistryProgram(), { data: copy })
  await mustLackTag(peer)
  const config = { mirror: { ...(mirrorOf(relay.url)['mirror'] as object), offline: true } }
  const offline = await context.startTarn({ home: tarn.home, config })
  await mustLackTag(offline)
  // It is no loss: once the upstream is there again the image is completed.
  await offline.stop()
  await relay.up()
  relay.shape(undefined)
  const again = await context.startTarn({ home: tarn.home, config: mirrorOf(relay.url) })
  await waitForTag(again, REPOSITORY, '1')
  await pullWhole(again.url, REPOSITORY, '1', image)
}

async function checkLostLayer(context: E2EContext): Promise<void> {
  const { upstream, relay, tarn } = await setScene(context)
  const image = makeImage([makeLayer('kept', 50_000), makeLayer('lost', 50_000)])
  await pushImage(upstream.client, NAME, image, '1')
  const lost = image.layers[1]?.digest ?? ''
  relay.answer({ status: 404 }, lost)
  const { status } = await fetchWhole(`${tarn.url}/v2/${REPOSITORY}/manifests/1`)
  must(status === 200, `the manifest came with ${status}`)
  await tarn.service.waitFor(/image given up/)
  must(!(await exists(tagLink(tarn.data, REPOSITORY, '1'))), 'a torn image is tagged')
  await relay.down()
  await mustLackTag(tarn)
}

/** A fill in the middle of its large layer; the small one came or comes. */
async function beginFill(
  context: E2EContext,
): Promise<{ readonly scene: Scene; readonly image: Image; readonly large: string }> {
  const scene = await setScene(context)
  const { upstream, relay, tarn } = scene
  const layer = makeLayer('large', LARGE)
  const image = makeImage([makeLayer('small', 100_000), layer])
  await pushImage(upstream.client, NAME, image, '1')
  relay.shape(RATE)
  // Podman that has all layers asks for the manifest alone.
  const { status, digest } = await fetchWhole(`${tarn.url}/v2/${REPOSITORY}/manifests/1`)
  must(status === 200 && digest === image.manifest.digest, `the manifest came as ${status} ${digest}`)
  await relay.reached(layer.digest, LARGE * 0.4)
  return { scene, image, large: layer.digest }
}

async function mustLackTag(registry: Tarn): Promise<void> {
  const client = openClient({ url: registry.url })
  try {
    const { status } = await client.send('GET', `/v2/${REPOSITORY}/manifests/1`)
    must(status === 404, `a torn image is answered ${status} at ${registry.url}`)
    const { body } = await client.send('GET', `/v2/${REPOSITORY}/tags/list`)
    must(!/"1"/.test(body.toString()), `a torn image is listed: ${body.toString()}`)
  } finally {
    client.close()
  }
}

/** Carries a data directory by tar, as people do; gives the new one. */
export async function copyByTar({ machine }: Pick<E2EContext, 'machine'>, data: string): Promise<string> {
  const folder = await machine.scratch('carried')
  const archive = join(folder, 'data.tar')
  const copy = join(folder, 'data')
  await machine.run('mkdir', [copy])
  await machine.run('tar', ['-cf', archive, '-C', data, '.'])
  await machine.run('tar', ['-xf', archive, '-C', copy])
  return copy
}

function mustBeWithin(ratio: number, most: number): void {
  must(ratio >= 1 && ratio <= most, `${ratio.toFixed(3)} times the blob was read upstream, at most ${most} is good`)
}
