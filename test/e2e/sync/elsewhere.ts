// Syncs past the data directory: into a directory as oc writes it, into an OCI layout, and into the real registry:2, which has
// no referrers API. Others read each: oc, skopeo, Tarn's import, oras and regctl.
import { readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDockerRegistryProgram } from '../helpers/docker-registry.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { makeTarnProgram, startRegistry } from '../helpers/tarn.ts'
import { openClient } from '../../helpers/client.ts'
import { makeImage, makeLayer, pushImage, TYPES } from '../mirror/images.ts'
import { findProgram } from '../release/scene.ts'
import { EXTRAS } from './extras.ts'
import type { Source } from './scene.ts'
import { countHere, makeSyncHome, require, requireSound, UP } from './scene.ts'

const TEAM = `{from: ${UP}, to: lab, repositories: ["team/**"]}`
const ALL = [TEAM, `{from: ${UP}/${EXTRAS}, to: lab/${EXTRAS}}`]

export async function checkElsewhere(context: E2EContext, recorder: Recorder, source: Source): Promise<void> {
  await checkDirectory(context, recorder, source)
  await checkLayout(context, recorder, source)
  await checkRegistry(context, recorder, source)
}

async function checkDirectory(context: E2EContext, recorder: Recorder, source: Source): Promise<void> {
  const { machine } = context
  const { planted } = source
  const home = await makeSyncHome(context)
  const relay = await source.relay()
  const place = join(home.directory, 'out')
  await recorder.check('dir: each blob comes once, and a second run sends nothing', async () => {
    await home.write(relay.url, [TEAM])
    const { report } = await home.sync([0], '--to', 'dir:out')
    require(report.counts['copied'] === planted.images.length, JSON.stringify(report.counts))
    const read = relay.bytesOf('/blobs/')
    require(read === planted.bytes, `${read} bytes of blobs were read for ${planted.bytes}`)
    for (const { repository, tag, digest } of planted.images) {
      const found = await readlink(join(place, `v2/lab/${repository}/manifests/${tag}`))
      require(found === digest, `${repository}:${tag} leads to ${found}`)
    }
    relay.clear()
    const again = await home.sync([0], '--to', 'dir:out')
    require(again.report.counts['here'] === planted.images.length, JSON.stringify(again.report.counts))
    require(relay.requestsFor('/blobs/').length === 0, 'a blob was asked for')
  })
  await recorder.check('dir: tarn import reads it, and every tag leads where it did', async () => {
    const other = await makeSyncHome(context)
    await other.tarn(['import', `dir:${place}`])
    require((await countHere(other, planted)) === planted.images.length, 'not all tags are here')
    await requireSound(other)
  })
  const row = 'dir: the real oc image mirror --from-dir reads it into a registry:2'
  const oc = await findProgram('OC', 'oc')
  if (oc === undefined) {
    recorder.skip(row, 'there is no oc in the PATH, and OC names none')
    return
  }
  await recorder.check(row, async () => {
    const registry = await startRegistry(machine, makeDockerRegistryProgram())
    const names = new Set(planted.images.map(({ repository }) => repository))
    for (const name of names) {
      const from = [`--from-dir=${place}`, `file://lab/${name}:*`]
      await machine.run(oc, ['image', 'mirror', '--insecure', ...from, `${registry.address}/far/${name}`], {
        env: { HOME: home.directory },
      })
    }
    for (const { repository, tag, digest } of planted.images) {
      const found = await digestAt(registry.url, `far/${repository}`, tag)
      require(found === digest, `${repository}:${tag} leads to ${found ?? 'nothing'}`)
    }
    await registry.stop()
  })
}

async function checkLayout(context: E2EContext, recorder: Recorder, source: Source): Promise<void> {
  const { machine } = context
  await recorder.check('oci: skopeo reads every manifest byte for byte, and a dry run leaves nothing', async () => {
    const home = await makeSyncHome(context)
    await home.write(source.url, ALL)
    const { output } = await home.sync([0], '--to', 'oci:layout', '--dry-run')
    const plan = JSON.parse(output.text) as { fits: boolean; free: number; needs: number }
    require(plan.fits && plan.free > plan.needs && plan.needs > 0, output.text.slice(0, 500))
    const listed = await machine.run('ls', ['layout'], { cwd: home.directory, codes: [2] })
    require(listed.text === '', 'the dry run left a directory')
    await home.sync([0], '--to', 'oci:layout')
    const raw = async (address: string): Promise<Buffer> =>
      (await machine.run('skopeo', ['inspect', '--raw', '--tls-verify=false', address], { cwd: home.directory })).stdout
    // Of manifests of docker's own format skopeo reads none out of a layout.
    const wanted = [...source.planted.images.map(({ repository, tag }) => `${repository}:${tag}`), `${EXTRAS}:multi`]
    for (const image of wanted) {
      const theirs = await raw(`docker://${new URL(source.url).host}/${image}`)
      const ours = await raw(`oci:layout:lab/${image}`)
      require(ours.equals(theirs), `${image} is another manifest`)
    }
  })
}

async function checkRegistry(context: E2EContext, recorder: Recorder, source: Source): Promise<void> {
  const { machine, checkout, node } = context
  const far = await startRegistry(machine, makeDockerRegistryProgram())
  const place = ['--to', `docker://${far.address}/far`, '--to-insecure']
  await recorder.check('docker://: into registry:2, every tag and child byte for byte, and nothing again', async () => {
    const home = await makeSyncHome(context)
    await home.write(source.url, ALL)
    await home.sync([0], ...place)
    const raw = async (base: string, image: string): Promise<Buffer> => {
      const address = `docker://${new URL(base).host}/${image}`
      return (await machine.run('skopeo', ['inspect', '--raw', '--tls-verify=false', address])).stdout
    }
    const { tags } = (await (await fetch(`${source.url}/v2/${EXTRAS}/tags/list`)).json()) as { tags: string[] }
    const images = [
      ...source.planted.images.map(({ repository, tag }) => `${repository}:${tag}`),
      ...tags.map((tag) => `${EXTRAS}:${tag}`),
    ]
    for (const image of images) {
      const [theirs, ours] = await Promise.all([raw(source.url, image), raw(far.url, `far/lab/${image}`)])
      require(ours.equals(theirs), `${image} is another manifest`)
    }
    const { report } = await home.sync([0], ...place)
    require(report.counts['here'] === report.images.length && report.bytes === 0, JSON.stringify(report.counts))
  })
  await checkReferrers(context, recorder, async (repository) => {
    // From a registry that has the referrers API into one that has not.
    const tarn = await startRegistry(machine, makeTarnProgram(checkout, node))
    const client = openClient({ url: tarn.url })
    const image = makeImage([makeLayer('a', 2000)])
    await pushImage(client, repository, image, 'v1')
    const home = await makeSyncHome(context)
    await home.write(tarn.url, [`{from: "${UP}/${repository}:v1"}`])
    return {
      address: `${far.address}/far/${UP}/${repository}:v1`,
      sync: async () => void (await home.sync([0], ...place)),
      add: async (type) => {
        const { digest, bytes, mediaType } = image.manifest
        const subject = { mediaType, digest, size: bytes.length }
        const referrer = makeImage([makeLayer(type, 300)], 'amd64', { artifactType: type, subject })
        await pushImage(client, repository, referrer, undefined)
        return referrer.manifest.digest
      },
      end: async () => {
        client.close()
        await tarn.stop()
      },
    }
  })
  await far.stop()
}

interface Referred {
  /** Where the image is in the end. */
  readonly address: string
  readonly sync: () => Promise<void>
  /** Makes something that refers to the image at the source; gives its digest. */
  readonly add: (type: string) => Promise<string>
  readonly end: () => Promise<void>
}

async function checkReferrers(
  context: E2EContext,
  recorder: Recorder,
  open: (repository: string) => Promise<Referred>,
): Promise<void> {
  const { machine } = context
  const row =
    'docker://: what refers to an image is found in registry:2 by oras and regctl, beside what oras attached there'
  const [oras, regctl] = [await context.goTool('oras'), await context.goTool('regctl')]
  if (oras === undefined || regctl === undefined) {
    recorder.skip(row, 'oras and regctl are built with Go, and there is none here')
    return
  }
  await recorder.check(row, async () => {
    const home = await machine.scratch('referrers')
    const env = { HOME: home, DOCKER_CONFIG: home }
    const { address, sync, add, end } = await open('refer/app')
    const host = address.slice(0, address.indexOf('/'))
    await machine.run(regctl, ['registry', 'set', '--tls', 'disabled', host], { env })
    const find = async (): Promise<string[]> => {
      const { text } = await machine.run(oras, ['discover', '--plain-http', '--format', 'json', address], { env })
      const byOras = [...text.matchAll(/sha256:[0-9a-f]{64}/g)].map(([digest]) => digest)
      const listed = await machine.run(regctl, ['artifact', 'list', '--format', '{{jsonPretty .}}', address], { env })
      return byOras.filter((digest) => listed.text.includes(digest))
    }
    const first = await add('application/vnd.e2e.one')
    await sync()
    require((await find()).includes(first), 'the first is not found')
    const note = [
      'attach',
      '--plain-http',
      '--artifact-type',
      'application/vnd.e2e.note',
      '--annotation',
      'a=b',
      address,
    ]
    const { text } = await machine.run(oras, [...note, '--format', 'json'], { env, cwd: home })
    const attached = /sha256:[0-9a-f]{64}/.exec(text)?.[0] ?? ''
    const second = await add('application/vnd.e2e.two')
    await sync()
    const found = await find()
    for (const digest of [first, attached, second]) require(found.includes(digest), `${digest} is not found`)
    await end()
  })
}

async function digestAt(base: string, repository: string, tag: string): Promise<string | undefined> {
  const headers = { accept: `${TYPES.image}, ${TYPES.index}` }
  const answer = await fetch(`${base}/v2/${repository}/manifests/${tag}`, { method: 'HEAD', headers })
  return answer.headers.get('docker-content-digest') ?? undefined
}
