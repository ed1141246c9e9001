// Which of the images that a cluster uses are not here, whole. Reads the directory; hashes manifests, not layers. For
// commands.
import { formatImageSource } from '../../config/image-source.ts'
import { Problem } from '../../config/problem.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import { isRepositoryName } from '../../oci/name.ts'
import type { ManifestNode } from '../../registry/describe-manifest.ts'
import { describeManifest } from '../../registry/describe-manifest.ts'
import type { Layout } from '../../storage/layout.ts'
import { readTag } from '../../storage/read-repository.ts'
import { findPayload } from '../find-payload.ts'
import type { UsedImage } from './in-use.ts'
import { readLabels } from './find-catalogs.ts'
import { lookSource } from './look-source.ts'
import type { MirrorPair } from './mirror-pairs.ts'
import { locateImage } from './mirror-pairs.ts'
import type { RegistryName } from './registry-name.ts'

export interface CheckedImage {
  /** As the cluster names it. */
  readonly image: string
  /** The release that it is a component of, where it was not named itself. */
  readonly of?: string
  /** Repositories here in which it may lie; none when nothing says that it is mirrored. */
  readonly places: readonly RepositoryName[]
  readonly digest: Digest | undefined
  readonly state: 'here' | 'missing' | 'incomplete' | 'not mirrored'
}

export interface FindMissingOptions {
  readonly layout: Layout
  readonly pairs: readonly MirrorPair[]
  readonly registry: RegistryName
  readonly images: readonly UsedImage[]
}

/** Every image with its state, and for each release among them that can be read here every component of it. */
export async function findMissing({ layout, pairs, registry, images }: FindMissingOptions): Promise<CheckedImage[]> {
  const checked = new Map<string, CheckedImage>()
  for (const image of images) checked.set(formatImageSource(image), checkImage(layout, pairs, registry, image))
  const named = [...checked.values()]
  for (const release of named) {
    const components = await readComponents(layout, release).catch((error: unknown) => {
      if (!(error instanceof Problem)) throw error
      return undefined
    })
    // Its payload cannot be read: a layer is damaged.
    if (components === undefined) checked.set(release.image, { ...release, state: 'incomplete' })
    for (const component of components ?? []) {
      const text = formatImageSource(component)
      if (!checked.has(text))
        checked.set(text, { ...checkImage(layout, pairs, registry, component), of: release.image })
    }
  }
  return [...checked.values()]
}

function checkImage(
  layout: Layout,
  pairs: readonly MirrorPair[],
  registry: RegistryName,
  used: UsedImage,
): CheckedImage {
  const { host, repository, tag, digest } = used
  const image = formatImageSource(used)
  const own = host === registry.name ? [`${registry.name}/${repository}`] : []
  const places = [...own, ...locateImage(pairs, `${host}/${repository}`)]
    .map((name) => name.slice(registry.name.length + 1))
    .filter(isRepositoryName)
  let state: CheckedImage['state'] = places.length === 0 ? 'not mirrored' : 'missing'
  for (const name of places) {
    const wanted = digest ?? (tag && readTag(layout, name, tag, NOTHING).target)
    const here = wanted === undefined ? 'missing' : judge(describeManifest(layout, name, wanted))
    if (here === 'here') return { image, places, digest: wanted, state: here }
    if (here === 'incomplete') state = here
  }
  return { image, places, digest, state }
}

const NOTHING = { onStray: () => undefined, onUnreadable: () => undefined }

/** An index needs one whole image: a mirror of one platform holds no others. */
function judge(node: ManifestNode): 'here' | 'missing' | 'incomplete' {
  if (node.state !== 'here') return 'missing'
  const blobs = [...(node.config === undefined ? [] : [node.config]), ...node.layers]
  if (blobs.some(({ state }) => state !== 'here' && state !== 'elsewhere')) return 'incomplete'
  const children = node.children.map(judge)
  if (children.length === 0) return 'here'
  return children.includes('here') && !children.includes('incomplete') ? 'here' : 'incomplete'
}

/** The components of an image that says of itself that it is a release; none where its payload is not here. */
async function readComponents(layout: Layout, { image, places, digest, state }: CheckedImage): Promise<UsedImage[]> {
  const [repository] = places
  if (state !== 'here' || digest === undefined || repository === undefined) return []
  if (readLabels(layout, digest)?.['io.openshift.release'] === undefined) return []
  const payload = await findPayload(lookSource(layout), { repository, reference: { kind: 'digest', digest } }, image)
  return payload.components.map((each) => ({ host: each.host, repository: each.repository, digest: each.digest }))
}
