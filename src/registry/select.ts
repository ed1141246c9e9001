// Which images the words of a person mean: `repo`, `repo:tag`, `repo@sha256:…`, with globs in repository and tag. It
// only parses and matches: nothing here reads the directory, and a pattern that could match nothing is refused.
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import { compileGlob, isGlob } from '../oci/glob.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'

// What a list shows of a digest is enough to name one.
const SHORT_DIGEST = /^(?:sha256:[0-9a-f]{12,64}|sha512:[0-9a-f]{12,128})$/

export interface ImagePattern {
  /** As it was written. */
  readonly text: string
  readonly kind: 'repository' | 'tag' | 'digest'
  /** The repository when it is named without a glob. */
  readonly name: RepositoryName | undefined
  matchesRepository(name: RepositoryName): boolean
  /** False unless the pattern is about tags. */
  matchesTag(tag: Tag): boolean
  /** False unless the pattern is about a digest; its first 12 digits are enough. */
  matchesDigest(digest: Digest): boolean
}

export interface Selection {
  readonly patterns: readonly ImagePattern[]
  /** All repositories that can be meant, when no pattern has a glob in its repository: then nothing must be walked. */
  readonly names: readonly RepositoryName[] | undefined
  /** The patterns whose repository is `name`. */
  of(name: RepositoryName): ImagePattern[]
}

/** Reads patterns of images. Throws a Problem (wrong usage) for one that can mean no image. */
export function selectImages(texts: readonly string[]): Selection {
  const patterns = texts.map(parsePattern)
  const names = patterns.map(({ name }) => name).filter((name) => name !== undefined)
  return {
    patterns,
    names: names.length === patterns.length ? [...new Set(names)] : undefined,
    of: (name) => patterns.filter((pattern) => pattern.matchesRepository(name)),
  }
}

export interface ImageName {
  readonly name: RepositoryName
  readonly tag?: Tag
  /** A whole digest, or its beginning of at least 12 digits. */
  readonly digest?: string
}

/** Reads the name of one image, without globs: `repo:tag`, `repo@digest`, or `repo`, which means `repo:latest`. */
export function parseImage(text: string): ImageName {
  const { repository, tag, digest } = split(text)
  if (isGlob(repository) || isGlob(tag ?? '')) {
    throw new Problem(`${text} is a pattern, and one image is wanted`, {
      hint: 'see which images match: tarn ls PATTERN',
      exitCode: 2,
    })
  }
  const name = parseName(repository, text)
  if (digest !== undefined) return { name, digest: checkDigest(digest, text) }
  return { name, tag: checkTag(tag ?? 'latest', text) }
}

function parsePattern(text: string): ImagePattern {
  const { repository, tag, digest } = split(text)
  const name = isGlob(repository) ? undefined : parseName(repository, text)
  const matches = compileGlob(repository)
  const matchesTag = tag === undefined ? undefined : compileGlob(isGlob(tag) ? tag : checkTag(tag, text))
  const prefix = digest === undefined ? undefined : checkDigest(digest, text)
  return {
    text,
    kind: prefix !== undefined ? 'digest' : tag === undefined ? 'repository' : 'tag',
    name,
    matchesRepository: (other) => matches(other),
    matchesTag: (other) => matchesTag?.(other) === true,
    matchesDigest: (other) => prefix !== undefined && other.startsWith(prefix),
  }
}

interface Parts {
  readonly repository: string
  readonly tag?: string
  readonly digest?: string
}

function split(text: string): Parts {
  const at = text.indexOf('@')
  if (at >= 0) return { repository: text.slice(0, at), digest: text.slice(at + 1) }
  const colon = text.indexOf(':', text.lastIndexOf('/') + 1)
  return colon < 0 ? { repository: text } : { repository: text.slice(0, colon), tag: text.slice(colon + 1) }
}

function parseName(repository: string, text: string): RepositoryName {
  if (isRepositoryName(repository)) return repository
  const [host = '', ...rest] = repository.split('/')
  const isHost = rest.length > 0 && host.includes(':')
  const hint = isHost
    ? `leave out the registry: ${text.slice(host.length + 1)}`
    : repository.includes(':')
      ? 'name the tag or the digest, not both: REPO:TAG or REPO@sha256:…'
      : 'write REPO, REPO:TAG or REPO@sha256:…; see what is here: tarn ls'
  throw new Problem(`${JSON.stringify(text)} names no image`, { hint, exitCode: 2 })
}

function checkTag(tag: string, text: string): Tag {
  if (isTag(tag)) return tag
  throw new Problem(`${JSON.stringify(text)} names no image: ${JSON.stringify(tag)} is no tag`, {
    hint: 'a tag is up to 128 letters, digits, "_", "." and "-", not beginning with "." or "-"',
    exitCode: 2,
  })
}

function checkDigest(digest: string, text: string): string {
  if (isDigest(digest) || SHORT_DIGEST.test(digest)) return digest
  throw new Problem(`${JSON.stringify(text)} names no image: ${JSON.stringify(digest)} is no digest`, {
    hint: 'write sha256: and the digits in lower case, at least the first 12',
    exitCode: 2,
  })
}
