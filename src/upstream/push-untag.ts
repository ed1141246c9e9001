// Takes a tag away from a registry that deletes by digest only, as registry:2 does: the tag is led to an image that nobody
// else has, and that is deleted. What the tag led to before stays, with its other tags.
import { OCI_CONFIG, OCI_MANIFEST } from '../oci/media-type.ts'
import type { Digest } from '../oci/digest.ts'
import { digestOf } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Reference, Tag } from '../oci/reference.ts'
import type { OpenBytes } from './push-upload.ts'

interface Named {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly signal?: AbortSignal
}

export interface UntagParts {
  readonly pushBlob: (ask: Named & { readonly size: number; readonly open: OpenBytes }) => Promise<unknown>
  readonly pushManifest: (
    ask: Named & { readonly reference: Reference; readonly bytes: Buffer; readonly mediaType: string },
  ) => Promise<unknown>
  readonly deleteManifest: (digest: Digest) => Promise<unknown>
}

/** What the tag leads to now. */
export interface Tagged {
  readonly digest: Digest
  readonly bytes: Buffer
  readonly mediaType: string | undefined
}

/** For a moment the tag leads to an image without content. `now` in milliseconds since 1970. Throws an UpstreamError. */
export async function removeTagByDigest(
  repository: RepositoryName,
  tag: Tag,
  before: Tagged,
  { now, signal, ...parts }: UntagParts & { readonly now: number; readonly signal?: AbortSignal },
): Promise<void> {
  const comment = `${repository}:${tag} was removed at ${new Date(now).toISOString()}`
  const config = Buffer.from(JSON.stringify({ architecture: '', os: '', comment }))
  const open = async function* (offset: number): AsyncGenerator<Uint8Array> {
    yield config.subarray(offset)
  }
  const blob = { digest: digestOf(config), size: config.length }
  const more = { repository, ...(signal && { signal }) }
  await parts.pushBlob({ ...more, ...blob, open })
  const layers: unknown[] = []
  const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: { mediaType: OCI_CONFIG, ...blob }, layers }
  const bytes = Buffer.from(JSON.stringify(image))
  const reference: Reference = { kind: 'tag', tag }
  await parts.pushManifest({ ...more, reference, digest: digestOf(bytes), bytes, mediaType: OCI_MANIFEST })
  try {
    await parts.deleteManifest(digestOf(bytes))
  } catch (error) {
    // The tag must not stay with an image that is none.
    await parts
      .pushManifest({ ...more, reference, ...before, mediaType: before.mediaType ?? OCI_MANIFEST })
      .catch(() => undefined)
    throw error
  }
}
