// The rows that want a real `oc`: the same release by both, method 2 in both directions, a kill in the middle, many at once.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { FixtureRelease } from '../../fixtures/release.ts'
import type { Recorder } from '../helpers/suite.ts'
import type { Oc, Scene } from './scene.ts'
import { requireSame, requireText, requireWhole } from './scene.ts'

const slug = ({ isOld }: Oc): string => (isOld ? 'old' : 'new')

export async function tryOc(
  scene: Scene,
  oc: Oc,
  releases: readonly FixtureRelease[],
  recorder: Recorder,
): Promise<void> {
  const { tarn, upstream, authFile, context } = scene
  const [small, list, large] = releases
  if (small === undefined || list === undefined || large === undefined) throw new Error('a release is missing')
  const common = ['--insecure', '-a', authFile]
  const release = ['release', 'mirror', '--plain-http', upstream.address, '--tag-style', oc.style]
  const mirror = (release: FixtureRelease, to: string, more: readonly string[] = []): string[] => {
    const where = [`--from=${release.reference}`, `--to=${tarn.address}/${to}`]
    return ['adm', 'release', 'mirror', ...common, ...where, ...more]
  }

  await recorder.check(`${oc.name} and tarn release mirror give the same tags and digests`, async () => {
    const [byOc, byTarn] = [`oc-${slug(oc)}/openshift4`, `tarn-${slug(oc)}/openshift4`]
    const said = await scene.oc(oc, mirror(small, byOc))
    const words = ['--registry', tarn.address, '--print-mirror-instructions', 'icsp']
    const own = await scene.run([...release, ...words, small.reference, byTarn])
    requireSame(await scene.tags(byOc), small.expectedTags(oc.style))
    requireSame(await scene.tags(byTarn), await scene.tags(byOc))
    // From "Success" on both say the same, but for the name of the repository.
    const end = (text: string): string => text.slice(text.indexOf('Success')).trim().replaceAll(byOc, byTarn)
    if (end(own.text) !== end(said.text)) throw new Error(`oc says:\n${end(said.text)}\ntarn says:\n${end(own.text)}`)
  })
  await recorder.check(`${oc.name} adm release info reads from Tarn what tarn release info says`, async () => {
    const tag = [...small.expectedTags(oc.style).keys()][0] ?? ''
    const image = `tarn-${slug(oc)}/openshift4:${tag}`
    const said = await scene.oc(oc, ['adm', 'release', 'info', ...common, `${tarn.address}/${image}`])
    const own = await scene.run(['release', 'info', image])
    for (const { name, digest } of small.components) {
      requireText(said.text, new RegExp(`${name} +${digest}`))
      requireText(own.text, new RegExp(`${name} +${digest}`))
    }
    requireText(said.text, small.digest)
  })
  if (!oc.isOld) {
    await recorder.check(`${oc.name} --keep-manifest-list and tarn mirror a list alike`, async () => {
      await scene.oc(oc, mirror(list, 'oc-list/openshift4', ['--keep-manifest-list=true']))
      await scene.run(['release', 'mirror', '--plain-http', upstream.address, list.reference, 'tarn-list/openshift4'])
      requireSame(await scene.tags('oc-list/openshift4'), list.expectedTags('arch'))
      requireSame(await scene.tags('tarn-list/openshift4'), list.expectedTags('arch'))
      await requireWhole(scene, `oc-list/openshift4:${list.releaseTag}`)
    })
  }
  await recorder.check(`method 2: ${oc.name} writes a directory, tar carries it, Tarn takes it in`, async () => {
    const [written, carried] = [await context.machine.scratch('to-dir'), await context.machine.scratch('from-dir')]
    const into = ['adm', 'release', 'mirror', ...common, `--from=${small.reference}`, `--to-dir=${written}`]
    const said = await scene.oc(oc, into)
    await context.machine.run('tar', ['-czf', join(carried, 'm.tgz'), '-C', written, '.'])
    await context.machine.run('tar', ['-xzf', 'm.tgz'], { cwd: carried })
    const to = `from-${slug(oc)}/openshift4`
    const own = await scene.run(['release', 'mirror', `dir:${carried}`, to, '--tag-style', oc.style])
    requireText(own.text, 'Success', `Mirror prefix: `, 'is signed: verifier-public-key-redhat')
    requireSame(await scene.tags(to), small.expectedTags(oc.style))
    await scene.run(['release', 'verify', `${to}:${[...small.expectedTags(oc.style).keys()][0]}`])

    // Of a directory both say the same, but for the old ending of a file that held JSON then as well.
    const other = await context.machine.scratch('tarn-to-dir')
    const told = await scene.run([...release, small.reference, `dir:${other}`])
    const words = (text: string, directory: string): string =>
      text.slice(text.indexOf('Success')).trim().replaceAll(directory, 'DIR').replace('.yaml created', '.json created')
    const [byOc, byTarn] = [words(said.text, written), words(told.text, other)]
    if (byOc !== byTarn) throw new Error(`oc says:\n${byOc}\ntarn says:\n${byTarn}`)
  })
  await recorder.check(`method 2: Tarn writes a directory, ${oc.name} image mirror takes it in`, async () => {
    const written = await context.machine.scratch('tarn-dir')
    await scene.run([...release, small.reference, `dir:${written}`])
    const files = await readdir(join(written, 'config'))
    if (files.length !== 1) throw new Error(`there are ${files.length} files of signatures`)
    const to = `${tarn.address}/uploaded-${slug(oc)}/openshift4`
    const what = `file://openshift/release:${small.version}*`
    await scene.oc(oc, ['image', 'mirror', ...common, `--from-dir=${written}`, what, to])
    const uploaded = await scene.tags(`uploaded-${slug(oc)}/openshift4`)
    // Out of a directory oc 4.4 takes one tag of an image, whoever wrote it.
    const expected = small.expectedTags(oc.style)
    for (const [tag, digest] of expected) {
      const isOther = [...uploaded].some(([other, same]) => other !== tag && same === digest)
      if (oc.isOld && isOther && !uploaded.has(tag)) expected.delete(tag)
    }
    requireSame(uploaded, expected)
  })
  await recorder.check(`${oc.name} killed in the middle: nothing half is served, the next run heals`, async () => {
    const to = `killed-${slug(oc)}/openshift4`
    const child = context.machine.start(oc.path, mirror(large, to), {
      env: { HOME: await context.machine.scratch('h') },
    })
    // Some blobs are there, and others on their way.
    await waitFor(async () => (await tarnBlobs(scene, large, to)) >= 3)
    await child.stop('SIGKILL')
    const expected = large.expectedTags(oc.style)
    const served = await scene.tags(to).catch(() => new Map<string, string>())
    if (served.size >= expected.size) throw new Error('it was done before it was killed')
    for (const { digest, image } of large.components) {
      const head = await scene.client.send('HEAD', `/v2/${to}/manifests/${digest}`, { headers: { accept: '*/*' } })
      if (head.status !== 200) continue
      for (const blob of image.blobs) {
        const { status } = await scene.client.send('HEAD', `/v2/${to}/blobs/${blob.digest}`)
        if (status !== 200) throw new Error(`${digest} is served without ${blob.digest}`)
      }
    }
    await scene.oc(oc, mirror(large, to))
    requireSame(await scene.tags(to), large.expectedTags(oc.style))
    await requireWhole(scene, `${to}:${[...large.expectedTags(oc.style).keys()][0]}`)
  })
  await recorder.check(`three ${oc.name} at once, 20 requests each: none is turned away`, async () => {
    const before = tarn.service.log().length
    const names = [1, 2, 3].map((each) => `crowd-${slug(oc)}-${each}/openshift4`)
    await Promise.all(names.map((to) => scene.oc(oc, mirror(large, to, ['--max-per-registry=20']))))
    for (const name of names) requireSame(await scene.tags(name), large.expectedTags(oc.style))
    // Lines are written together: when this one is there, all before it are.
    const last = `/v2/after-${slug(oc)}/tags/list`
    await scene.client.send('GET', last)
    const read = (): string => tarn.service.log().slice(before)
    await waitFor(async () => read().includes(last))
    if (!/ status=201\b/.test(read())) throw new Error('the log says nothing of the requests')
    const refused = read().match(/.* status=(?:429|503|500|502|504)\b.*/g) ?? []
    if (refused.length > 0) throw new Error(`${refused.length} requests were turned away: ${refused[0]}`)
  })
}

/** How many layers of the release Tarn has in this repository. */
async function tarnBlobs({ client }: Scene, release: FixtureRelease, repository: string): Promise<number> {
  let found = 0
  for (const { image } of release.components) {
    const [, layer] = image.blobs
    const head = await client.send('HEAD', `/v2/${repository}/blobs/${layer?.digest}`)
    if (head.status === 200) found += 1
  }
  return found
}

async function waitFor(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('nothing came in a minute')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
