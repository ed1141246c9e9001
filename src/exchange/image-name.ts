// Names of images as archives hold them: with or without a registry, with or without a tag, or a tag alone.
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'

export interface ImageName {
  readonly host?: string
  readonly repository?: RepositoryName
  readonly tag?: Tag
  readonly digest?: Digest
}

const HOST =
  /^(?:localhost|(?=.*[.:])[A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)*(?::\d{1,5})?|\[[0-9A-Fa-f:]+\](?::\d{1,5})?)$/

/**
 * Reads `docker.io/library/busybox:1`, `team/app`, `app:1@sha256:…` or `1`; a name of a repository without a tag and a
 * digest means its tag "latest", as everywhere. Undefined for what is no such name.
 */
export function parseImageName(text: string): ImageName | undefined {
  // A word by itself is how OCI layouts say a tag.
  if (isTag(text)) return { tag: text }
  const [name = '', digest, ...more] = text.split('@')
  if (more.length > 0 || (digest !== undefined && !isDigest(digest))) return undefined
  const slash = name.indexOf('/')
  const first = slash === -1 ? '' : name.slice(0, slash)
  const host = HOST.test(first) ? first : undefined
  const path = host === undefined ? name : name.slice(slash + 1)
  const colon = path.indexOf(':')
  const repository = colon === -1 ? path : path.slice(0, colon)
  const tag = colon === -1 ? undefined : path.slice(colon + 1)
  if (!isRepositoryName(repository) || (tag !== undefined && !isTag(tag))) return undefined
  return {
    repository,
    ...(host !== undefined && { host }),
    ...(tag !== undefined ? { tag } : digest === undefined ? { tag: 'latest' as Tag } : {}),
    ...(digest !== undefined && { digest }),
  }
}
