// The rows of a release that comes out of an archive, with nobody to ask: bundles that `tarn bundle create` made of it, in each
// of their forms, a data directory and a tar of one, a directory as oc writes it; into a Tarn that has nothing.
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { FixtureRelease } from '../../fixtures/release.ts'
import type { Recorder } from '../helpers/suite.ts'
import type { Scene } from './scene.ts'
import { requireText } from './scene.ts'

const FORMS: Readonly<Record<string, readonly string[]>> = {
  plain: [],
  'packed (--zstd)': ['--zstd'],
  // Small enough that layers are cut.
  'in parts': ['--part-size', '2MB'],
  'packed in parts': ['--part-size', '2MB', '--zstd'],
}

export async function tryArchives(scene: Scene, release: FixtureRelease, recorder: Recorder): Promise<void> {
  const { context } = scene
  const { machine, node, checkout } = context
  const { upstream, tarn } = scene
  const from = 'archived/openshift4'
  const image = `${from}:${release.releaseTag}`
  await scene.run([
    'release',
    'mirror',
    '--plain-http',
    upstream.address,
    '--tag-style',
    'arch',
    release.reference,
    from,
  ])
  const folder = await machine.scratch('archives')
  const there = await context.startTarn()
  const run = (args: readonly string[], codes: readonly number[] = [0]) =>
    machine.run(node, [join(checkout, 'src', 'main.ts'), ...args, '--config', there.configFile], { codes })

  /** It is all there afterwards, by what the archive holds alone. */
  const takeIn = async (source: readonly string[], to: string): Promise<void> => {
    const info = await run(['release', 'info', ...source])
    requireText(info.text, release.digest, 'verified: ')
    requireText((await run(['release', 'verify', ...source])).text, 'everything of it is here')
    const said = await run(['release', 'mirror', ...source, '--tag-style', 'arch', to])
    requireText(said.text, 'Success', 'Update image:', 'is signed: verifier-public-key-redhat')
    requireText((await run(['release', 'verify', `${to}:${release.releaseTag}`])).text, 'everything of it is here')
    requireText((await run(['release', 'mirror', ...source, '--tag-style', 'arch', to])).text, /copied 0, here \d+/)
  }

  let number = 0
  for (const [form, options] of Object.entries(FORMS)) {
    await recorder.check(`a release comes out of a bundle, ${form}`, async () => {
      number += 1
      const parts = join(folder, `bundle-${number}`)
      await mkdir(parts)
      await scene.run(['bundle', 'create', join(parts, 'site.tar'), `${from}:*`, ...options])
      const files = (await readdir(parts)).filter((name) => /\.(?:tar|zst)$/.test(name))
      if (files.length > 1 !== options.includes('--part-size')) throw new Error(`the bundle is ${files.join(', ')}`)
      await takeIn([`bundle:${files.length > 1 ? parts : join(parts, files[0] ?? '')}`], `bundle-${number}/openshift4`)
    })
  }
  await recorder.check('a release comes out of a data directory, and out of a tar of one', async () => {
    await takeIn([`data:${tarn.data}`, '--image', image], 'data/openshift4')
    const tar = join(folder, 'registry.tar.gz')
    await machine.run('tar', ['-zcf', tar, '-C', tarn.data, 'docker', '.tarn/state/signatures'])
    await takeIn([`data:${tar}`, '--image', image], 'tar/openshift4')
  })
  await recorder.check('a release goes into a directory as oc writes it, and comes out of it', async () => {
    const directory = join(folder, 'directory')
    const said = await run(['release', 'mirror', `data:${tarn.data}`, '--image', image, `dir:${directory}`])
    requireText(said.text, 'oc image mirror --from-dir=')
    await takeIn([`dir:${directory}`], 'dir/openshift4')
  })
  await recorder.check(
    'a directory without its links, named as on Windows, zipped and unzipped: all tags are recovered',
    async () => {
      const lines = [
        'cp -r directory bare && find bare -type l -delete',
        // A share of Windows takes no ":" in names.
        `find bare -type f -name '*:*' | while read -r name; do mv "$name" "$(echo "$name" | tr : -)"; done`,
        'cd bare && zip -q -r ../bare.zip . && cd .. && unzip -q bare.zip -d carried',
        'test -z "$(find carried -type l)" && test -z "$(find carried -name \'*:*\')"',
      ]
      await machine.run('sh', ['-e', '-c', lines.join('\n')], { cwd: folder })
      const carried = `dir:${join(folder, 'carried')}`
      requireText((await run(['release', 'info', carried])).text, release.digest, 'verified: ')
      const said = await run(['release', 'mirror', carried, '--tag-style', 'arch', 'carried/openshift4'])
      requireText(said.text, 'Success', 'is signed: verifier-public-key-redhat')
      requireText((await run(['import', carried, 'imported/openshift4'])).text, 'Success')
      // An import gives the tags that oc of the version's own time wrote.
      const [plain = ''] = release.expectedTags('plain').keys()
      for (const image of [`carried/openshift4:${release.releaseTag}`, `imported/openshift4:${plain}`])
        requireText((await run(['release', 'verify', image])).text, 'everything of it is here')
    },
  )
  await there.stop()
}
