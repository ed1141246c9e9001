// The images that a cluster uses against what is here, and where those that are lost can be had again.
import { Option } from 'commander'
import { formatImageSource } from '../../config/image-source.ts'
import type { LoadedConfig } from '../../config/load.ts'
import { Problem } from '../../config/problem.ts'
import type { CheckedImage } from '../../openshift/cluster/find-missing.ts'
import { findMissing } from '../../openshift/cluster/find-missing.ts'
import type { UsedImage } from '../../openshift/cluster/in-use.ts'
import { readUsedImages } from '../../openshift/cluster/in-use.ts'
import type { AskCluster } from '../../openshift/cluster/live-cluster.ts'
import { readClusterImages } from '../../openshift/cluster/live-cluster.ts'
import type { RegistryName } from '../../openshift/cluster/registry-name.ts'
import { openRestorePlace } from '../../openshift/cluster/restore-from.ts'
import type { RestorePlace } from '../../openshift/cluster/restore-place.ts'
import { makeTurns } from '../../upstream/turns.ts'
import { collect } from '../context.ts'
import { formatCount } from '../table.ts'
import type { Given } from './given.ts'
import { readFileOf } from './given.ts'
import type { AskedRegistries, RegistryOptions } from './asked-registries.ts'

export interface InUseOptions extends RegistryOptions {
  readonly inUse?: readonly string[]
  readonly from?: readonly string[]
}

export interface MissingReport {
  readonly images: readonly CheckedImage[]
  readonly places: readonly {
    readonly place: string
    readonly kind: string
    /** How many of the lost images; undefined where that could not be told. */
    readonly has: number | undefined
    readonly why?: string
    readonly notThere: readonly string[]
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
  new Option('--authfile <file>', 'logins for the registries of --from, in docker’s form (default: the pull secret’s)'),
  new Option('--insecure <host>', 'a registry of --from whose certificate is not verified').argParser(collect),
  new Option('--plain-http <host>', 'a registry of --from that speaks plain HTTP').argParser(collect),
]

/** Checks the images of the files, and of the cluster where it is asked; undefined where nobody asks. */
export async function lookForMissing(
  given: Given,
  registry: RegistryName,
  options: InUseOptions,
  {
    ask,
    openRegistries,
  }: { readonly ask: AskCluster | undefined; readonly openRegistries: (home: LoadedConfig) => AskedRegistries },
): Promise<MissingReport | undefined> {
  const { inUse = [], from = [] } = options
  const used = new Map<string, UsedImage>()
  const texts = inUse.map((file) => ({ text: readFileOf('list of images', file), source: file }))
  if (ask !== undefined) texts.push(...(await readClusterImages(ask)))
  for (const { text, source } of texts) {
    const images = readUsedImages(text, source)
    if (images.length === 0 && inUse.includes(source)) {
      throw new Problem(`no image was recognised in ${source}`, {
        hint: 'give one image a line, as REGISTRY/REPOSITORY@DIGEST or with a tag, or what oc get … -o json prints',
        exitCode: 2,
      })
    }
    for (const image of images) used.set(formatImageSource(image), image)
  }
  if (used.size === 0) return undefined
  // Of a running cluster more is asked than its images: without a home there is no directory to look into.
  if (inUse.length === 0 && given.home === undefined) return undefined
  const pairs = await given.pairs(registry, 'repository')
  // Throws where there is no home.
  const { layout, home } = given
  if (home === undefined) return undefined
  const images = await findMissing({ layout, pairs, registry, images: [...used.values()] })
  const lost = images.filter(({ state }) => state === 'missing' || state === 'incomplete')
  const registries = openRegistries(home)
  try {
    const candidates = await Promise.all(from.map((text) => openRestorePlace(text, registries.ask)))
    return { images, places: await Promise.all(candidates.map((place) => lookAt(place, lost))) }
  } finally {
    await registries.close()
  }
}

const AT_A_TIME = 8

async function lookAt(place: RestorePlace, lost: readonly CheckedImage[]): Promise<MissingReport['places'][number]> {
  const turns = makeTurns(AT_A_TIME)
  const looked = await Promise.all(
    lost.map(async ({ image, of, digest, places: repositories }) => {
      const release = await turns.take()
      try {
        const wanted = { image, digest, repositories, release: of ?? (isReleaseImage(image) ? image : undefined) }
        return { image, ...(await place.look(wanted)) }
      } finally {
        release()
      }
    }),
  )
  const unknown = looked.find(({ has }) => has === undefined)
  return {
    place: place.text,
    kind: place.kind,
    has: unknown === undefined ? looked.filter(({ has }) => has === true).length : undefined,
    ...(unknown?.why !== undefined && { why: unknown.why }),
    notThere: looked.filter(({ has }) => has === false).map(({ image }) => image),
    commands: [...new Set(looked.filter(({ has }) => has !== false).map(({ command }) => command))],
  }
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
      : places.flatMap(({ place, kind, has, why, notThere, commands }) => [
          `  ${place} (${kind}): ${has === undefined ? `may have them${why === undefined ? '' : `: ${why}`}` : `has ${has} of ${formatCount(lost.length, 'image')}`}`,
          ...commands.map((line) => `    ${line}`),
          ...(notThere.length === lost.length ? [] : notThere.map((image) => `    not there: ${image}`)),
        ])),
  ]
}
