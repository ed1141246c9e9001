// The images that a cluster uses against what is here, and where those that are lost can be had again.
import { Option } from 'commander'
import { formatImageSource } from '../../config/image-source.ts'
import type { CheckedImage } from '../../openshift/cluster/find-missing.ts'
import { findMissing } from '../../openshift/cluster/find-missing.ts'
import type { UsedImage } from '../../openshift/cluster/in-use.ts'
import { readUsedImages } from '../../openshift/cluster/in-use.ts'
import type { AskCluster } from '../../openshift/cluster/live-cluster.ts'
import { readClusterImages } from '../../openshift/cluster/live-cluster.ts'
import type { RegistryName } from '../../openshift/cluster/registry-name.ts'
import { openRestorePlace } from '../../openshift/cluster/restore-from.ts'
import { collect } from '../context.ts'
import { formatCount } from '../table.ts'
import type { Given } from './given.ts'
import { readFileOf } from './given.ts'

export interface InUseOptions {
  readonly inUse?: readonly string[]
  readonly from?: readonly string[]
}

export interface MissingReport {
  readonly images: readonly CheckedImage[]
  readonly places: readonly {
    readonly place: string
    readonly kind: string
    readonly has: number | undefined
    readonly commands: readonly string[]
  }[]
}

export const inUseOptions = (): Option[] => [
  new Option(
    '--in-use <file>',
    'images that the cluster uses: a list, or what oc prints as JSON or YAML (can be given again)',
  ).argParser(collect),
  new Option(
    '--from <place>',
    'where lost images may be had again: a directory, an archive, a bundle, a registry (can be given again)',
  ).argParser(collect),
]

/** Checks the images of the files, and of the cluster where it is asked; undefined where nobody asks. */
export async function lookForMissing(
  given: Given,
  registry: RegistryName,
  { inUse = [], from = [] }: InUseOptions,
  ask: AskCluster | undefined,
): Promise<MissingReport | undefined> {
  const used = new Map<string, UsedImage>()
  const texts = inUse.map((file) => ({ text: readFileOf('list of images', file), source: file }))
  if (ask !== undefined) texts.push(...(await readClusterImages(ask)))
  for (const { text, source } of texts) {
    for (const image of readUsedImages(text, source)) used.set(formatImageSource(image), image)
  }
  if (used.size === 0) return undefined
  const candidates = await Promise.all(from.map(openRestorePlace))
  const pairs = await given.pairs(registry, 'repository')
  const images = await findMissing({ layout: given.layout, pairs, registry, images: [...used.values()] })
  const lost = images.filter(({ state }) => state === 'missing' || state === 'incomplete')
  const places = candidates.map((place) => {
    const known = lost.map(({ digest }) => (digest === undefined ? undefined : place.has(digest)))
    const wanted = lost.filter((_image, index) => known[index] !== false)
    const commands = new Set(
      wanted.map(({ image, of, places: own }) =>
        place.command(own[0] ?? 'REPOSITORY', image, of ?? (isReleaseImage(image) ? image : undefined)),
      ),
    )
    return {
      place: place.text,
      kind: place.kind,
      has: known.includes(undefined) ? undefined : wanted.length,
      commands: [...commands],
    }
  })
  return { images, places }
}

function isReleaseImage(image: string): boolean {
  return /\/(?:ocp-release|okd|scos-release)[@:]/.test(image)
}

export function describeMissing({ images, places }: MissingReport): string[] {
  const of = (state: CheckedImage['state']) => images.filter((image) => image.state === state)
  const lost = [...of('missing'), ...of('incomplete')]
  const counts = [
    `${of('here').length} here`,
    `${of('missing').length} missing`,
    `${of('incomplete').length} incomplete`,
    `${of('not mirrored').length} not mirrored`,
  ]
  return [
    `images in use: ${counts.join(', ')}`,
    ...lost.map(
      ({ image, state, places: own }) => `  ${state}  ${image}${own[0] === undefined ? '' : `  (${own[0]})`}`,
    ),
    ...(lost.length === 0
      ? []
      : places.length === 0
        ? ['say where they may be had again: --from PLACE']
        : ['Restore them:']),
    ...(lost.length === 0
      ? []
      : places.flatMap(({ place, kind, has, commands }) => [
          `  ${place} (${kind}): ${has === undefined ? 'may have them' : `has ${has} of ${formatCount(lost.length, 'image')}`}`,
          ...commands.map((line) => `    ${line}`),
        ])),
  ]
}
