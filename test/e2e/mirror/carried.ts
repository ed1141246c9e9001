// A client that already holds the layer that all images share asks the mirror for the rest only. The images must be
// whole here all the same: carried by tar to a registry:2, every tag pulls into an empty client.
import { makeContainerStorage } from '../helpers/containers.ts'
import { makeDockerRegistryProgram } from '../helpers/docker-registry.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { startRegistry } from '../helpers/tarn.ts'
import { copyByTar } from './broken.ts'
import type { Image } from './images.ts'
import { makeImage, makeLayer, pushImage } from './images.ts'
import { HOST, must, setScene, waitForTag } from './scene.ts'

const IMAGES = Number(process.env['TARN_E2E_MIRROR_IMAGES'] ?? 20)
const BASE_BYTES = 1_000_000
const LAYER_BYTES = 50_000

export async function checkCarried(context: E2EContext, recorder: Recorder): Promise<void> {
  const { machine } = context
  const { upstream, relay, tarn } = await setScene(context)
  const base = makeLayer('base', BASE_BYTES)
  const images: Image[] = []
  for (let at = 0; at < IMAGES; at += 1) {
    const image = makeImage([base, makeLayer(`layer${at}`, LAYER_BYTES)])
    await pushImage(upstream.client, `team/app${at}`, image, '1')
    images.push(image)
  }
  await pushImage(upstream.client, 'team/base', makeImage([base]), '1')
  const env = await makeContainerStorage(machine)
  const pull = (image: string, storage = env) =>
    machine.run('podman', ['pull', '-q', '--tls-verify=false', image], { env: storage })

  await recorder.check(`podman that holds the base layer pulls ${IMAGES} images; all become whole`, async () => {
    // From the upstream itself, so that Tarn never saw the base.
    await pull(`127.0.0.1:${relay.port}/team/base:1`)
    relay.clear()
    for (const at of images.keys()) await pull(`${tarn.address}/${HOST}/team/app${at}:1`)
    for (const at of images.keys()) await waitForTag(tarn, `${HOST}/team/app${at}`, '1')
    const asked = new RegExp(`method=GET path=\\S*${base.digest}`).test(tarn.service.log())
    must(!asked, 'podman asked for the base layer, so this row shows nothing')
    const ratio = relay.bytesOf(base.digest) / base.bytes.length
    must(ratio >= 1 && ratio < 1.005, `the base layer was read ${ratio.toFixed(2)} times upstream`)
  })
  await recorder.check(`by tar to registry:2: an empty podman pulls all ${IMAGES} tags whole`, async () => {
    await tarn.stop()
    await relay.down()
    const peer = await startRegistry(machine, makeDockerRegistryProgram(), {
      data: await copyByTar(context, tarn.data),
    })
    const empty = await makeContainerStorage(machine)
    for (const [at, image] of images.entries()) {
      const name = `${peer.address}/${HOST}/team/app${at}:1`
      await pull(name, empty)
      const inspected = await machine.run('podman', ['image', 'inspect', '--format', '{{.Digest}}', name], {
        env: empty,
      })
      must(inspected.text === image.manifest.digest, `${name} is ${inspected.text}`)
    }
  })
}
