// Tags of a release that were lost on its way: the directory of oc keeps them as links, which many media and programs do not
// carry. The release image itself says what its components are, and so under which tags oc wrote them.
import type { ImageSource, SourceImage } from '../exchange/image-source.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { readManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { findPayload } from './find-payload.ts'
import { releaseTags } from './release-tags.ts'

const MOST_CONFIG = 4 * 1024 ** 2
// The payload of a release has a few megabytes at most; images of components are not read whole to look for one.
const LARGEST_LAYER = 16 * 1024 ** 2
const LABEL = 'io.openshift.release'

/**
 * The images of `repository` with the tags that oc gave them, those that no release names without one as before. `images`
 * are those without a tag that the source lists there.
 */
export async function recoverTags(
  source: ImageSource,
  repository: RepositoryName,
  images: readonly SourceImage[],
): Promise<readonly SourceImage[]> {
  const found: SourceImage[] = []
  const named = new Set<Digest>()
  const labelled: Digest[] = []
  for (const { digest } of images) if (await isLabelled(source, repository, digest)) labelled.push(digest)
  // Releases of tests, and very old ones, have no label.
  for (const digest of labelled.length > 0 ? labelled : images.map((image) => image.digest)) {
    const reference = { kind: 'digest', digest } as const
    const payload = await findPayload(source, { repository, reference }, digest, { largestLayer: LARGEST_LAYER }).catch(
      () => undefined,
    )
    for (const { tag, digest: meant } of payload === undefined ? [] : releaseTags(payload, 'auto')) {
      const isThere = await source.readManifest(repository, { kind: 'digest', digest: meant }).catch(() => undefined)
      if (isThere === undefined) continue
      named.add(meant)
      found.push({ repository, tag, digest: meant })
    }
  }
  return [...found, ...images.filter(({ digest }) => !named.has(digest))]
}

/** Whether its configuration says that it is a release; of a list, that of its first image. */
async function isLabelled(source: ImageSource, repository: RepositoryName, digest: Digest): Promise<boolean> {
  try {
    const stored = await source.readManifest(repository, { kind: 'digest', digest })
    const manifest = stored && readManifest(stored.bytes)
    const [child] = manifest?.manifests ?? []
    if (child !== undefined) return await isLabelled(source, repository, child.digest)
    return (
      manifest?.config !== undefined && (await readLabels(source, repository, manifest.config))[LABEL] !== undefined
    )
  } catch {
    return false
  }
}

async function readLabels(
  source: ImageSource,
  repository: RepositoryName,
  config: Descriptor,
): Promise<Readonly<Record<string, unknown>>> {
  if (config.size > MOST_CONFIG) return {}
  const pieces: Buffer[] = []
  for await (const piece of await source.openBlob(repository, config)) pieces.push(piece as Buffer)
  const { config: settings } = JSON.parse(Buffer.concat(pieces).toString('utf8')) as {
    config?: { Labels?: Readonly<Record<string, unknown>> }
  }
  return settings?.Labels ?? {}
}
