// What a sync takes: an image, a repository or a whole registry, always with the registry's name in front. A short name
// such as `alpine` means another image on every machine, so it is none.
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import { readRegistryHost } from './registry-host.ts'
import { imageHostOf } from './well-known.ts'

export interface ImageSource {
  /** As image names have it; docker.io for all of Docker Hub's names. */
  readonly host: string
  /** As the registry spells it; undefined for the whole registry. */
  readonly repository?: RepositoryName
  readonly tag?: Tag
  /** With a tag as well the digest decides. */
  readonly digest?: Digest
}

const HUB = 'docker.io'

/**
 * Reads `HOST`, `HOST/REPOSITORY`, `HOST/REPOSITORY:TAG`, `HOST/REPOSITORY@DIGEST` or both; undefined for anything else.
 * Docker Hub's own images may leave out `library/`.
 */
export function parseImageSource(text: string): ImageSource | undefined {
  const slash = text.indexOf('/')
  const written = slash === -1 ? text : text.slice(0, slash)
  const name = looksLikeHost(written) ? readRegistryHost(written) : undefined
  if (name === undefined) return undefined
  const host = imageHostOf(name)
  if (slash === -1) return { host }
  const [, path = '', tag, digest] = /^([^:@]*)(?::([^:@]*))?(?:@(.*))?$/u.exec(text.slice(slash + 1)) ?? []
  const repository = host === HUB && !path.includes('/') ? `library/${path}` : path
  if (!isRepositoryName(repository)) return undefined
  if (tag !== undefined && !isTag(tag)) return undefined
  if (digest !== undefined && !isDigest(digest)) return undefined
  return { host, repository, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) }
}

/** As parseImageSource reads it back. */
export function formatImageSource({ host, repository, tag, digest }: ImageSource): string {
  if (repository === undefined) return host
  return `${host}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

// As Docker tells a registry from the first part of a name.
function looksLikeHost(text: string): boolean {
  return /[.:]/u.test(text) || text.toLowerCase() === 'localhost'
}
