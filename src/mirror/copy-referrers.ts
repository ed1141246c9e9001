// What refers to a mirrored image comes with it: signatures, attestations and SBOMs by the referrers API or its tag
// schema, and cosign's tags. A list that could not be read is no empty list: it is asked for again (R20).
import type { Digest } from '../oci/digest.ts'
import type { Tag } from '../oci/reference.ts'
import { parseTag } from '../oci/reference.ts'
import { readSubjectTag, subjectTagOf } from '../oci/subject-tag.ts'
import type { StoredManifest } from '../storage/manifests.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import type { ManifestFetcher } from './fetch-manifest.ts'
import type { Located } from './route.ts'

export interface CopyReferrersParts {
  readonly manifests: Pick<ManifestFetcher, 'get' | 'head'>
  readonly signal: AbortSignal
  /** Brings an image into the repository, whole. */
  readonly fill: (located: Located, stored: StoredManifest, tags: readonly Tag[]) => Promise<void>
  /** Whether the repository has the manifest, whole. */
  readonly isHere: (located: Located, digest: Digest) => Promise<boolean>
  readonly warn: (message: string) => void
}

/** What cosign adds to the tag of an image: signatures, attestations, SBOMs. */
export const ENDINGS = ['.sig', '.att', '.sbom'] as const
/** Beyond this somebody floods a subject; the rest can still be asked for. */
export const MOST = 100

/** Brings what refers to `subject`. Throws an UpstreamError; what one referrer's fault is does not keep the others. */
export async function copyReferrers(
  located: Located,
  { digest, manifest }: StoredManifest,
  parts: CopyReferrersParts,
): Promise<void> {
  const { client } = located.upstream
  const { descriptors, via } = await client.listReferrers(located.repository, digest, { signal: parts.signal })
  const failures: unknown[] = []
  for (const descriptor of descriptors.slice(0, MOST)) {
    if (await parts.isHere(located, descriptor.digest)) continue
    await attempt(failures, parts, async () => {
      const stored = await parts.manifests.get(located, { kind: 'digest', digest: descriptor.digest })
      await parts.fill(located, stored, [])
    })
  }
  // What refers to another manifest has no signatures of cosign's older kind.
  const base = subjectTagOf(digest)
  const tags = [...(via === 'tag' ? [base] : []), ...(manifest.subject ? [] : ENDINGS.map((end) => `${base}${end}`))]
  for (const tag of tags.map(parseTag)) {
    await attempt(failures, parts, async () => {
      const stored = await find(located, tag, parts)
      if (stored !== undefined) await parts.fill(located, stored, [tag])
    })
  }
  if (failures.length > 0) throw failures[0]
}

/** Whether a tag is one of those that are about another manifest: nothing refers to it. */
export function isAboutAnother(tags: Iterable<Tag>): boolean {
  return [...tags].some((tag) => readSubjectTag(tag) !== undefined)
}

// HEAD first: most images have none of them, and a GET that finds nothing may count as a pull.
async function find(
  located: Located,
  tag: Tag,
  { manifests }: CopyReferrersParts,
): Promise<StoredManifest | undefined> {
  try {
    await manifests.head(located, { kind: 'tag', tag })
    return await manifests.get(located, { kind: 'tag', tag })
  } catch (error) {
    if (error instanceof UpstreamError && error.kind === 'notFound') return undefined
    throw error
  }
}

async function attempt(failures: unknown[], { warn }: CopyReferrersParts, act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error
    // One that cannot be true is left out; what may come later is tried again with all.
    if (error.kind === 'invalid' || error.kind === 'notFound' || error.kind === 'refused') warn(error.message)
    else failures.push(error)
  }
}
