// A client that pushes into a mirrored prefix what the upstream has too: it asks whether things are there, is told yes,
// and leaves them out. What it then pushed must be whole, also when the upstream is gone for ever. `oc image mirror` is
// here by its requests as they were traced: it takes a manifest that is there for a whole image and asks for no blob.
import { join } from 'node:path'
import type { Client } from '../../helpers/client.ts'
import { addQuery, codeOf, headerOf, locationOf, openClient } from '../../helpers/client.ts'
import { makeContainerStorage } from '../helpers/containers.ts'
import { makeDockerRegistryProgram } from '../helpers/docker-registry.ts'
import type { Format, StoredManifest } from '../helpers/image-fixture.ts'
import { buildFixture } from '../helpers/image-fixture.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Tarn } from '../helpers/tarn.ts'
import { startRegistry } from '../helpers/tarn.ts'
import { copyByTar } from './broken.ts'
import { ACCEPT, fetchWhole } from './fetch.ts'
import type { Image } from './images.ts'
import { makeImage, makeIndex, makeLayer, pushBlob, pushImage, pushIndex, putManifest } from './images.ts'
import { pullWhole } from './pull.ts'
import { checkApart, exists, HOST, must, setScene, tagLink } from './scene.ts'

const NAME = 'ocp/release'
const REPOSITORY = `${HOST}/${NAME}`

export async function checkPushes(context: E2EContext, recorder: Recorder): Promise<void> {
  const check = checkApart(context, recorder)
  for (const format of ['oci', 'docker-list'] as const) {
    await check(`skopeo copy of what the upstream has (${format}), upstream off: pulls whole`, (own) =>
      checkSkopeo(own, format),
    )
  }
  await check('oc image mirror of a release that the upstream has, upstream off: every tag pulls whole', checkOc)
  await check('oc image mirror of an index that the upstream has: every child pulls whole', checkOcIndex)
  await check('a manifest whose blobs nobody has is refused with MANIFEST_BLOB_UNKNOWN', checkNowhere)
  await check('told "it is there", and the upstream loses it before the manifest comes: refused or whole', checkGone)
}

async function checkSkopeo(context: E2EContext, format: Format): Promise<void> {
  const { machine } = context
  const { upstream, relay, tarn } = await setScene(context)
  const fixture = await buildFixture(machine, await machine.scratch('fixture'), format)
  const env = await makeContainerStorage(machine)
  const options = ['-q', '--all', '--src-tls-verify=false', '--dest-tls-verify=false']
  const copy = (from: string, to: string) => machine.run('skopeo', ['copy', ...options, from, to], { env })
  for (const blob of fixture.blobs) await pushBlob(upstream.client, 'team/app', blob)
  for (const child of fixture.children) await putManifest(upstream.client, 'team/app', child.digest, child)
  await putManifest(upstream.client, 'team/app', '1', fixture.top)
  await copy(`dir:${fixture.dir}`, `docker://${tarn.address}/${HOST}/team/app:copied`)
  must(!tarn.service.log().includes('method=PATCH'), 'skopeo uploaded, so this row shows nothing')
  await relay.down()
  const out = join(await machine.scratch('out'), 'out')
  await copy(`docker://${tarn.address}/${HOST}/team/app:copied`, `dir:${out}`)
  const peer = await startRegistry(machine, makeDockerRegistryProgram(), { data: await copyByTar(context, tarn.data) })
  await copy(`docker://${peer.address}/${HOST}/team/app:copied`, `dir:${out}-2`)
}

async function checkOcIndex(context: E2EContext): Promise<void> {
  const { upstream, relay, tarn } = await setScene(context)
  const images = { amd64: makeImage([makeLayer('a', 50_000)]), arm64: makeImage([makeLayer('b', 50_000)], 'arm64') }
  const index = makeIndex(images)
  await pushIndex(upstream.client, NAME, index, '4.20')
  await withClient(tarn, async (client) => {
    // Children before lists, as oc does.
    for (const image of index.images) await mirrorAsOc(client, image, [image.manifest.digest])
    await putAsOc(client, '4.20-copy', index.manifest)
  })
  await relay.down()
  for (const image of index.images) await pullWhole(tarn.url, REPOSITORY, image.manifest.digest, image)
  const { status, digest } = await fetchWhole(`${tarn.url}/v2/${REPOSITORY}/manifests/4.20-copy`)
  must(status === 200 && digest === index.manifest.digest, `the index is ${status} ${digest}`)
}

async function checkNowhere(context: E2EContext): Promise<void> {
  const { tarn } = await setScene(context)
  const image = makeImage([makeLayer('nowhere', 1000)])
  await withClient(tarn, async (client) => {
    const put = await putRaw(client, 'torn', image.manifest)
    must(codeOf(put) === 'MANIFEST_BLOB_UNKNOWN', `it was answered ${put.status} ${codeOf(put)}`)
  })
  must(!(await exists(tagLink(tarn.data, REPOSITORY, 'torn'))), 'the torn image is tagged')
}

async function checkGone(context: E2EContext): Promise<void> {
  const { upstream, relay, tarn } = await setScene(context)
  const image = makeImage([makeLayer('slow', 4_000_000)])
  await pushImage(upstream.client, NAME, image, '1')
  relay.shape(4_000_000)
  await withClient(tarn, async (client) => {
    for (const { digest } of [image.config, ...image.layers]) {
      const head = await client.send('HEAD', `/v2/${REPOSITORY}/blobs/${digest}`)
      must(head.status === 200, `HEAD of ${digest} was answered ${head.status}`)
    }
    // It lost everything, which is an answer; one that is away would be waited for, for a minute.
    relay.answer({ status: 404 })
    await relay.down()
    await relay.up()
    const put = await putRaw(client, 'cut', image.manifest)
    if (put.status === 201) await pullWhole(tarn.url, REPOSITORY, 'cut', image)
    else must(codeOf(put) === 'MANIFEST_BLOB_UNKNOWN', `it was answered ${put.status} ${codeOf(put)}`)
  })
}

async function checkOc(context: E2EContext): Promise<void> {
  const { machine } = context
  const { upstream, relay, tarn } = await setScene(context)
  const shared = makeLayer('shared', 200_000)
  const images: Image[] = []
  for (let at = 0; at < 6; at += 1) {
    const image = makeImage([shared, makeLayer(`own${at}`, 50_000)])
    await pushImage(upstream.client, NAME, image, `4.20.0-component${at}`)
    images.push(image)
  }
  // One that only the client has.
  const own = makeImage([shared, makeLayer('own', 50_000)])
  await withClient(tarn, async (client) => {
    must((await client.send('GET', '/v2/')).status === 200, 'GET /v2/ is not 200')
    for (const [at, image] of images.entries()) await mirrorAsOc(client, image, [`copy-${at}`, `copy-${at}-again`])
    await mirrorAsOc(client, own, ['copy-own'])
  })
  await relay.down()
  const peer = await startRegistry(machine, makeDockerRegistryProgram(), { data: await copyByTar(context, tarn.data) })
  for (const base of [tarn.url, peer.url]) {
    for (const [at, image] of images.entries())
      for (const tag of [`copy-${at}`, `copy-${at}-again`]) await pullWhole(base, REPOSITORY, tag, image)
    await pullWhole(base, REPOSITORY, 'copy-own', own)
  }
}

/** The requests of `oc image mirror` for one image: openshift.md names them; only what it would leave out is left out. */
async function mirrorAsOc(client: Client, image: Image, references: readonly string[]): Promise<void> {
  const path = `/v2/${REPOSITORY}`
  const planned = await client.send('GET', `${path}/manifests/${image.manifest.digest}`, {
    headers: { accept: ACCEPT.split(', ').toReversed() },
  })
  if (planned.status !== 200) {
    for (const blob of [image.config, ...image.layers]) {
      const head = await client.send('HEAD', `${path}/blobs/${blob.digest}`)
      if (head.status !== 200) {
        await uploadAsOc(client, path, blob)
        continue
      }
      must(Number(headerOf(head, 'content-length')) === blob.bytes.length, 'HEAD of a blob has no or a wrong length')
    }
  }
  for (const reference of references) await putAsOc(client, reference, image.manifest)
}

async function uploadAsOc(client: Client, path: string, blob: { digest: string; bytes: Buffer }): Promise<void> {
  const begun = await client.send('POST', `${path}/blobs/uploads/`)
  must(begun.status === 202, `POST of an upload was answered ${begun.status}`)
  // One PATCH without length, type or range.
  const patched = await client.send('PATCH', locationOf(begun), { chunks: [blob.bytes] })
  must(patched.status === 202, `PATCH was answered ${patched.status}`)
  must(headerOf(patched, 'range') === `0-${blob.bytes.length - 1}`, `Range is ${headerOf(patched, 'range')}`)
  const put = await client.send('PUT', addQuery(locationOf(patched), { digest: blob.digest }))
  must(put.status === 201, `PUT of a blob was answered ${put.status}`)
  must((await client.send('HEAD', `${path}/blobs/${blob.digest}`)).status === 200, 'HEAD after the PUT is not 200')
  const left = await client.send('DELETE', locationOf(patched))
  must(left.status === 404 || left.status === 204, `DELETE of an upload that is over was answered ${left.status}`)
}

async function putAsOc(client: Client, reference: string, manifest: StoredManifest): Promise<void> {
  const put = await putRaw(client, reference, manifest)
  must(put.status === 201, `PUT of ${reference} was answered ${put.status}: ${put.body.toString()}`)
  must(headerOf(put, 'docker-content-digest') === manifest.digest, 'PUT of a manifest names no digest')
}

function putRaw(client: Client, reference: string, { bytes, mediaType }: StoredManifest): ReturnType<Client['send']> {
  return client.send('PUT', `/v2/${REPOSITORY}/manifests/${reference}`, {
    headers: { 'content-type': mediaType },
    body: bytes,
  })
}

async function withClient(tarn: Tarn, act: (client: Client) => Promise<void>): Promise<void> {
  const client = openClient({ url: tarn.url })
  try {
    await act(client)
  } finally {
    client.close()
  }
}
