// Tags of a release that were lost on its way: the directory of oc keeps them as links, which many media and programs do not
// carry. The release image itself says what its components are, and so under which tags oc wrote them; a signature of
// sigstore says which image it is of.
import type { ImageSource, SourceImage } from '../exchange/image-source.ts'
import { MOST_PAYLOAD, SIMPLE_SIGNING } from '../mirror/policy/attachments.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, digestOf, isDigest } from '../oci/digest.ts'
import { readManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { parseTag } from '../oci/reference.ts'
import { subjectTagOf } from '../oci/subject-tag.ts'
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
  for (const { digest } of images.filter((image) => !named.has(image.digest))) {
    const signed = await readSigned(source, repository, digest)
    if (signed === undefined) continue
    named.add(digest)
    found.push({ repository, tag: parseTag(`${subjectTagOf(signed)}.sig`), digest })
  }
  return [...found, ...images.filter(({ digest }) => !named.has(digest))]
}

/** The image that a signature of cosign's older kind is of; undefined for whatever is none. */
async function readSigned(
  source: ImageSource,
  repository: RepositoryName,
  digest: Digest,
): Promise<Digest | undefined> {
  try {
    const stored = await source.readManifest(repository, { kind: 'digest', digest })
    const { layers = [] } = (stored && readManifest(stored.bytes)) ?? {}
    const payload = layers.find(({ mediaType, size }) => mediaType === SIMPLE_SIGNING && size <= MOST_PAYLOAD)
    if (payload === undefined) return undefined
    const { critical } = (await readJson(source, repository, payload)) as {
      critical?: { image?: { 'docker-manifest-digest'?: unknown } }
    }
    const signed = critical?.image?.['docker-manifest-digest']
    return typeof signed === 'string' && isDigest(signed) ? signed : undefined
  } catch {
    return undefined
  }
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
  const { config: settings } = (await readJson(source, repository, config)) as {
    config?: { Labels?: Readonly<Record<string, unknown>> }
  }
  return settings?.Labels ?? {}
}

/** Throws for what is none, and for bytes that are not the digest's. */
async function readJson(source: ImageSource, repository: RepositoryName, blob: Descriptor): Promise<unknown> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of await source.openBlob(repository, blob)) {
    pieces.push(piece as Buffer)
    length += (piece as Buffer).length
    if (length > blob.size) break
  }
  const bytes = Buffer.concat(pieces)
  if (digestOf(bytes, algorithmOf(blob.digest)) !== blob.digest) throw new Error(`${blob.digest} has other bytes`)
  return JSON.parse(bytes.toString('utf8')) as unknown
}
