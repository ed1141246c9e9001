// What the name of an entry claims to be. It is looked at and never followed: every path that is written comes from a
// digest that was computed, or from a repository name and a tag that their grammars let through.
import type { Digest } from '../oci/digest.ts'
import { hexOf, joinDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import { BadArchive } from './bad-archive.ts'

export type Claim =
  | { readonly kind: 'blob'; readonly digest: Digest }
  | { readonly kind: 'layer'; readonly repository: RepositoryName; readonly digest: Digest }
  | { readonly kind: 'revision'; readonly repository: RepositoryName; readonly digest: Digest }
  | { readonly kind: 'tag'; readonly repository: RepositoryName; readonly tag: Tag }
  /** That the tag once meant the digest. */
  | { readonly kind: 'history'; readonly repository: RepositoryName; readonly tag: Tag; readonly digest: Digest }
  /** A file of `.tarn/state`, by its path below that. */
  | { readonly kind: 'state'; readonly path: string }
  /** Lies in the data directory and is nothing that can be taken: an upload, what a collection left, a temporary file. */
  | { readonly kind: 'other' }

export interface ClaimedPath {
  /** What stands before the data directory's own path; '' where it is the root of the archive. */
  readonly root: string
  readonly claim: Claim
}

const INSIDE = /^(?:(.*?)\/)?(docker\/registry\/v2|\.tarn\/state)(?:\/(.*))?$/s
const BLOB = /^blobs\/([a-z0-9]+)\/([0-9a-f]{2})\/([0-9a-f]+)\/data$/
const REPOSITORY = /^repositories\/(.+?)\/(_layers|_manifests|_uploads)(?:\/(.*))?$/s
const LINK = /^([a-z0-9]+)\/([0-9a-f]+)\/link$/
const REVISION = /^revisions\/([a-z0-9]+)\/([0-9a-f]+)\/link$/
const CURRENT = /^tags\/([^/]+)\/current\/link$/
const HISTORY = /^tags\/([^/]+)\/index\/([a-z0-9]+)\/([0-9a-f]+)\/link$/
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/

/**
 * What the entry `name` claims; undefined for one that lies in no data directory. Throws a BadArchive, whose sentence
 * begins with `where`, for a name that would lead elsewhere if somebody followed it.
 */
export function readClaim(name: string, where: string): ClaimedPath | undefined {
  const clean = name.replace(/^(?:\.\/+)+/, '')
  if (clean === '' || clean === '.') return undefined
  refuseWayOut(clean, where)
  const [, root = '', area, rest = ''] = INSIDE.exec(clean) ?? []
  if (area === undefined) return undefined
  if (area === '.tarn/state') return { root, claim: { kind: 'state', path: rest } }
  return { root, claim: claimBlob(rest) ?? claimLink(rest) ?? { kind: 'other' } }
}

function refuseWayOut(name: string, where: string): void {
  if (name.startsWith('/')) {
    throw new BadArchive(`${where} is an absolute path`, { hint: 'nothing was changed; make the tar without -P' })
  }
  if (CONTROL.test(name)) throw new BadArchive(`${where} has a control character in its name`)
  if (name.includes('\\')) throw new BadArchive(`${where} has a backslash in its name`)
  if (/^[A-Za-z]:/.test(name)) throw new BadArchive(`${where} begins with the letter of a drive`)
  for (const step of name.split('/')) {
    if (step === '..') throw new BadArchive(`${where} leads out of its directory`)
    if (step === '.' || step === '') throw new BadArchive(`${where} has an empty step in its name`)
  }
}

function claimBlob(path: string): Claim | undefined {
  const [, algorithm = '', shard, hex = ''] = BLOB.exec(path) ?? []
  const digest = joinDigest(algorithm, hex)
  return digest !== undefined && hexOf(digest).slice(0, 2) === shard ? { kind: 'blob', digest } : undefined
}

function claimLink(path: string): Claim | undefined {
  const [, repository = '', area, rest = ''] = REPOSITORY.exec(path) ?? []
  if (area === undefined || !isRepositoryName(repository)) return undefined
  if (area === '_layers') {
    const digest = digestOfPath(LINK.exec(rest), 1)
    return digest && { kind: 'layer', repository, digest }
  }
  if (area !== '_manifests') return undefined
  const revision = digestOfPath(REVISION.exec(rest), 1)
  if (revision !== undefined) return { kind: 'revision', repository, digest: revision }
  const [, tag] = CURRENT.exec(rest) ?? []
  if (tag !== undefined) return isTag(tag) ? { kind: 'tag', repository, tag } : undefined
  const past = HISTORY.exec(rest)
  const digest = digestOfPath(past, 2)
  return digest !== undefined && isTag(past?.[1] ?? '')
    ? { kind: 'history', repository, tag: past?.[1] as Tag, digest }
    : undefined
}

function digestOfPath(match: RegExpExecArray | null, at: number): Digest | undefined {
  return match === null ? undefined : joinDigest(match[at] ?? '', match[at + 1] ?? '')
}
