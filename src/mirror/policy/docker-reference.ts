// Names of images as signatures and policies spell them (containers/image's docker/reference): what Docker lets people leave
// out is filled in, so that two spellings of one image are one.
import type { Digest } from '../../oci/digest.ts'
import { isDigest } from '../../oci/digest.ts'
import { isRepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'
import { isTag } from '../../oci/reference.ts'

export interface DockerReference {
  /** Registry and repository: `docker.io/library/alpine`. */
  readonly name: string
  readonly tag?: Tag
  readonly digest?: Digest
}

const DOMAIN =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d+)?$/
const HUB = 'docker.io'

/** Undefined for what is no name of an image. No tag is added. */
export function parseDockerReference(text: string): DockerReference | undefined {
  if (text.length > 1024) return undefined
  const slash = text.indexOf('/')
  const first = slash === -1 ? '' : text.slice(0, slash)
  const hasDomain = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase()
  const domain = hasDomain && first !== 'index.docker.io' ? first : HUB
  const rest = hasDomain ? text.slice(slash + 1) : text
  const [, path = '', tag, digest] = /^([^:@]*)(?::([^:@]*))?(?:@(.*))?$/.exec(rest) ?? []
  const repository = domain === HUB && !path.includes('/') ? `library/${path}` : path
  if (!DOMAIN.test(domain) || !isRepositoryName(repository)) return undefined
  if (tag !== undefined && !isTag(tag)) return undefined
  if (digest !== undefined && !isDigest(digest)) return undefined
  return { name: `${domain}/${repository}`, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) }
}

export function formatDockerReference({ name, tag, digest }: DockerReference): string {
  return `${name}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

/** Whether it says which image of the repository. */
export function isNameOnly({ tag, digest }: DockerReference): boolean {
  return tag === undefined && digest === undefined
}

/** The scopes of a policy that may be about it, the narrowest first (containers-policy.json(5), "docker:"). */
export function scopesOf(reference: DockerReference): string[] {
  const { name } = reference
  const parts = name.split('/')
  const names = parts.map((_, index) => parts.slice(0, parts.length - index).join('/'))
  const labels = (parts[0] ?? '').replace(/:\d*$/, '').split('.')
  const wildcards = labels.slice(1).map((_, index) => `*.${labels.slice(index + 1).join('.')}`)
  // What says nothing of the image has no scope of its own.
  return [...(isNameOnly(reference) ? [] : [formatDockerReference(reference)]), ...names, ...wildcards]
}
