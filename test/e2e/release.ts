// Releases of OpenShift, from the real registry:2 into Tarn and out of it again: by tarn's own commands, by what `oc` was
// seen to ask, and by the real `oc` of both generations where there is one (OC and OC_OLD name them).

import { chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FixtureRelease } from '../fixtures/release.ts'
import { makeRecorder, type E2EContext, type Row } from './helpers/suite.ts'
import { replayOc } from './release/replay.ts'
import { findOcs, findProgram, requireSame, requireText, requireWhole, setScene } from './release/scene.ts'
import type { Scene } from './release/scene.ts'
import { tryArchives } from './release/with-archives.ts'
import { tryOc } from './release/with-oc.ts'
import { tryOcMirror } from './release/with-oc-mirror.ts'

export const name = 'release'

/** Bytes of most layers of the release that is broken off. */
const LARGE = Number(process.env['TARN_E2E_RELEASE_LAYER'] ?? 4_000_000)

export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  const scene = await setScene(context)
  const small = await scene.release({ version: '4.4.10', sigstore: true })
  const list = await scene.release({ version: '4.18.3', architectures: ['amd64', 'arm64'] })
  const large = await scene.release({ version: '4.18.4', components: 16, layerBytes: LARGE, sigstore: 'all' })
  const old = await scene.release({ version: '4.4.11', components: 16, layerBytes: LARGE })
  const plain = ['--plain-http', scene.upstream.address]

  for (const style of ['plain', 'arch'] as const) {
    await recorder.check(`tarn release mirror writes the ${style} tags, and verify finds all of it`, async () => {
      const to = `own-${style}/openshift4`
      const said = await scene.run(['release', 'mirror', ...plain, '--tag-style', style, small.reference, to])
      requireText(said.text, 'Success', 'Update image:', 'is signed: verifier-public-key-redhat')
      requireSame(await scene.tags(to), small.expectedTags(style))
      const verified = await scene.run(['release', 'verify', `${to}:${[...small.expectedTags(style).keys()][0]}`])
      requireText(verified.text, 'everything of it is here')
    })
  }
  await recorder.check('a list comes with the images of all its architectures', async () => {
    await scene.run(['release', 'mirror', ...plain, list.reference, 'own-list/openshift4'])
    requireSame(await scene.tags('own-list/openshift4'), list.expectedTags('arch'))
    await scene.run(['release', 'verify', `own-list/openshift4:${list.releaseTag}`])
  })
  await recorder.check('a release by its channel, from the update service', async () => {
    const payload = `${scene.upstream.address}/${small.releaseRepository}@${small.digest}`
    scene.site.addNode({ version: '4.4.10', payload, channels: ['stable-4.4'] })
    const channel = ['--channel', 'stable-4.4', '--version', '4.4.10', '--graph-url', scene.site.graph]
    await scene.run(['release', 'mirror', ...plain, ...channel, 'channel/openshift4'])
    requireSame(await scene.tags('channel/openshift4'), small.expectedTags('plain'))
  })
  await recorder.check('what oc was seen to ask is taken, and a second run sends nothing', async () => {
    for (const release of [small, list]) {
      const to = `replayed-${release.version}/openshift4`
      const tags = release.expectedTags('arch')
      const first = await replayOc(scene.client, release, to, tags)
      const second = await replayOc(scene.client, release, to, tags)
      if (first.sent === 0 || second.sent !== 0) throw new Error(`sent ${first.sent}, then ${second.sent}`)
      requireSame(await scene.tags(to), tags)
      await requireWhole(scene, `${to}:${[...tags.keys()][0]}`)
    }
  })
  await recorder.check('verify finds a removed component, a corrupted blob and lost signatures of both kinds', () =>
    spoil(scene, large, plain),
  )
  await tryArchives(scene, small, recorder)
  for (const oc of await findOcs()) {
    if ('missing' in oc) recorder.skip(`what ${oc.name} writes and reads`, oc.missing)
    else await tryOc(scene, oc, [small, list, oc.isOld ? old : large], recorder)
  }
  const ocMirror = await findProgram('OC_MIRROR', 'oc-mirror')
  if (ocMirror === undefined)
    recorder.skip('oc-mirror into Tarn', 'there is no oc-mirror in the PATH, and OC_MIRROR names none')
  else await tryOcMirror(scene, ocMirror, small, recorder)
  return recorder.rows
}

async function spoil(scene: Scene, release: FixtureRelease, plain: readonly string[]): Promise<void> {
  const to = 'spoiled/openshift4'
  const image = `${to}:${release.releaseTag}`
  await scene.run(['release', 'mirror', ...plain, release.reference, to])
  const { data } = scene.tarn
  const hex = (digest: string): string => digest.slice('sha256:'.length)
  const named = (name: string) => release.components.find((component) => component.name === name)
  const etcd = named('etcd')?.digest ?? ''
  await scene.client.send('DELETE', `/v2/${to}/manifests/${etcd}`)
  const removed = await scene.run(['release', 'verify', image], [4])
  requireText(removed.text, new RegExp(`missing image {2}etcd ${etcd}`))

  const layer = hex(named('console')?.image.blobs.at(1)?.digest ?? '')
  const path = join(data, 'docker/registry/v2/blobs/sha256', layer.slice(0, 2), layer, 'data')
  const bytes = await readFile(path)
  bytes[1000] = (bytes[1000] ?? 0) ^ 1
  await chmod(path, 0o600)
  await writeFile(path, bytes)
  const corrupted = await scene.run(['release', 'verify', image], [4])
  requireText(corrupted.text, /(?:wrong|missing) (?:blob|image) {2}console/)

  await rm(join(data, '.tarn/state/signatures', `sha256=${hex(release.digest)}`), { recursive: true })
  const unsigned = await scene.run(['release', 'verify', image], [4])
  requireText(unsigned.text, 'signature  the release')

  for (const [name, digest] of [
    ['cli', named('cli')?.digest ?? ''],
    ['the release', release.digest],
  ] as const) {
    const tag = `${digest.replace(':', '-')}.sig`
    const gone = await scene.client.send('DELETE', `/v2/${to}/manifests/${tag}`)
    if (gone.status !== 202) throw new Error(`the removal of ${tag} was answered ${gone.status}`)
    const lost = await scene.run(['release', 'verify', '--fast', image], [4])
    requireText(lost.text, `missing signature  ${name} ${digest}  ${tag}`)
  }

  // All of them heal by the same command.
  await scene.run(['release', 'mirror', ...plain, release.reference, to])
  const whole = await scene.run(['release', 'verify', image])
  requireText(whole.text, /^sigstore: 1[0-9] signatures, .* was written down$/m)
}
