// Real clients against Tarn: the matrix of clients-matrix.ts, a stranger's certificate refused by each,
// and, where Go is present, crane, oras and regctl.

import { makeManifestReader, makeSkopeo, makeStorageClient } from './clients-containers.ts'
import { makeCtr, makeDocker } from './clients-engines.ts'
import { checkGoClients } from './clients-go.ts'
import { checkShape, explainImpossible, nameCell, type Client, type Transport } from './clients-matrix.ts'
import { startContainerd } from './helpers/containerd.ts'
import { buildFixture, digestOf, FORMATS, isList, type Fixture } from './helpers/image-fixture.ts'
import { makeNetworkNamespace } from './helpers/netns.ts'
import { makeRecorder, type E2EContext, type Recorder, type Row } from './helpers/suite.ts'
import type { Tarn } from './helpers/tarn.ts'

export const name = 'clients'

/** Runs all cells of the matrix that can be. */
export async function run(context: E2EContext): Promise<Row[]> {
  const { machine } = context
  const recorder = makeRecorder(name, context)
  const containerd = await startContainerd(machine)
  const plain = await context.startTarn()
  const secure = await context.startTarn({ tls: true, login: true })
  const namespace = await makeNetworkNamespace(machine)
  const apart = await context.startTarn({ ...namespace, tls: true, login: true })

  for (const registry of [plain, secure]) {
    await checkClient(context, recorder, registry, await makeStorageClient(machine, 'podman', registry))
    await checkClient(context, recorder, registry, await makeSkopeo(machine, registry))
    await checkClient(context, recorder, registry, await makeStorageClient(machine, 'buildah', registry))
    await checkClient(context, recorder, registry, await makeCtr(machine, containerd, registry))
  }
  for (const registry of [plain, apart]) {
    await checkClient(context, recorder, registry, await makeDocker(machine, containerd, registry))
  }
  await checkGoClients(context, recorder, [plain, secure])
  return recorder.rows
}

async function checkClient(context: E2EContext, recorder: Recorder, registry: Tarn, client: Client): Promise<void> {
  const transport: Transport = registry.tls ? 'TLS + htpasswd + private CA' : 'plain http'
  const { machine } = context
  const folder = await machine.scratch('fixtures')
  const readManifest = await makeManifestReader(machine, registry)
  const seeder = await makeSkopeo(machine, registry)
  for (const format of FORMATS) {
    const fixture = await buildFixture(machine, folder, format)
    const cell = { client: client.name, format, transport }
    let image = `${registry.address}/e2e/${client.name}/${format}:1`
    let pushed: string | undefined
    if (explainImpossible({ ...cell, act: 'push' }) === undefined) {
      await recorder.check(nameCell({ ...cell, act: 'push' }), async () => {
        const said = await client.push(fixture, image)
        await checkPushed(readManifest, fixture, image, said)
        pushed = said
      })
    }
    if (explainImpossible({ ...cell, act: 'pull' }) !== undefined) continue
    await recorder.check(nameCell({ ...cell, act: 'pull' }), async () => {
      if (pushed === undefined) {
        // What this client did not push is put there by skopeo, so that its pull is tried all the same.
        image = `${registry.address}/e2e/seed-for-${client.name}/${format}:1`
        pushed = await seeder.push(fixture, image)
      }
      const pulled = await client.pull(image)
      if (pulled !== pushed) throw new Error(`pushed ${pushed}, pulled ${pulled}`)
    })
  }
  if (!registry.tls) return
  await recorder.check(`${client.name} without the private CA is told of an unknown authority`, async () => {
    const image = `${registry.address}/e2e/stranger/${client.name}:1`
    await seeder.push(await buildFixture(machine, await machine.scratch('stranger'), 'docker'), image)
    const outcome = await client.pullWithoutCa(image)
    const words = `${outcome.text}\n${outcome.stderr}`
    if (outcome.code === 0 || !/x509|unknown authority/.test(words)) {
      throw new Error(`exit ${outcome.code}: ${words}`)
    }
  })
}

/** What lies under the tag is what the client says it pushed, and has the shape of its format. */
async function checkPushed(
  readManifest: (image: string) => Promise<Buffer>,
  fixture: Fixture,
  image: string,
  said: string,
): Promise<void> {
  const bytes = await readManifest(image)
  if (digestOf(bytes) !== said) throw new Error(`the client pushed ${said}, the tag is ${digestOf(bytes)}`)
  const top: ManifestText = JSON.parse(bytes.toString())
  const repository = image.slice(0, image.lastIndexOf(':'))
  const children = isList(fixture.format)
    ? await Promise.all(
        (top.manifests ?? []).map(async (child): Promise<ManifestText> => {
          return JSON.parse((await readManifest(`${repository}@${child.digest}`)).toString())
        }),
      )
    : [top]
  if (children.length !== fixture.children.length) throw new Error(`${children.length} images in the list`)
  const layers = children.flatMap((child) => (child.layers ?? []).map((layer) => layer.mediaType))
  checkShape(fixture.format, top.mediaType ?? fixture.top.mediaType, layers)
}

interface ManifestText {
  mediaType?: string
  layers?: Array<{ mediaType: string }>
  manifests?: Array<{ digest: string }>
}
