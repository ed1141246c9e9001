// The file that says what of a repository was mirrored (docs/formats/data-dir.md). Its first line is a seal that only the
// home that wrote it can make, over all that follows: what another home wrote, or a stranger, or half of it, says nothing.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import type { Layout } from './layout.ts'

/** It counts only while the tag leads to `digest`. */
export interface MirroredTag {
  readonly digest: Digest
  /** The host of the upstream. */
  readonly upstream: string
  /** When the upstream last said so; milliseconds since 1970. */
  readonly checkedAt: number
  /** A sync means this tag, whatever it leads to. */
  readonly synced?: true
  /** The names of the syncs that do, of letters, digits, `.`, `_` and `-`. */
  readonly by?: readonly string[]
}

export interface MirroredManifest {
  readonly upstream: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** A sync means it by its digest. */
  readonly synced?: true
}

/** The marks of one repository. */
export interface Marks {
  readonly tags: ReadonlyMap<Tag, MirroredTag>
  readonly manifests: ReadonlyMap<Digest, MirroredManifest>
}

export interface OwnMarks extends Marks {
  readonly tags: Map<Tag, MirroredTag>
  readonly manifests: Map<Digest, MirroredManifest>
}

const HEADER = 'tarn-mirrored 1'

/** The marks that `home` set in a repository, for who only looks; none where they cannot be read. */
export function readMarks(layout: Layout, name: RepositoryName, home: string): Marks {
  return readMirroredFile(layout, name, home).marks
}

// Bound to the repository, so that what was mirrored in one is not taken for what was pushed in another.
function sealOf(home: string, name: RepositoryName, body: string): string {
  return createHash('sha256').update(`${home}\n${name}\n${body}`).digest('hex')
}

/** The bytes of the file. */
export function formatMarks(home: string, name: RepositoryName, { tags, manifests }: Marks): string {
  const lines: string[] = []
  for (const [digest, { upstream, at, synced }] of manifests) {
    lines.push(`manifest ${digest} ${upstream} ${at}${synced === true ? ' synced' : ''}\n`)
  }
  for (const [tag, { digest, upstream, checkedAt, synced, by = [] }] of tags) {
    const names = by.length > 0 ? ` ${by.join(',')}` : ''
    lines.push(`tag ${tag} ${digest} ${upstream} ${checkedAt}${synced === true ? ` synced${names}` : ''}\n`)
  }
  const body = lines.join('')
  return `${HEADER} ${sealOf(home, name, body)}\n${body}`
}

// What cannot be read protects everything, and so does what this home did not write as it stands.
export function readMirroredFile(
  layout: Layout,
  name: RepositoryName,
  home: string,
): { marks: OwnMarks; whole: boolean } {
  const marks = makeMarks()
  const text = readText(layout.mirrored(name))
  const end = text?.indexOf('\n') ?? -1
  if (text === undefined || end < 0) return { marks, whole: false }
  const body = text.slice(end + 1)
  if (text.slice(0, end) !== `${HEADER} ${sealOf(home, name, body)}`) return { marks, whole: false }
  for (const line of body.split('\n')) takeLine(marks, line)
  return { marks, whole: true }
}

export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

export function makeMarks(): OwnMarks {
  return { tags: new Map(), manifests: new Map() }
}

export function keepCommon(ours: Marks, theirs: Marks): OwnMarks {
  return {
    tags: new Map([...ours.tags].filter(([tag, { digest }]) => theirs.tags.get(tag)?.digest === digest)),
    manifests: new Map([...ours.manifests].filter(([digest]) => theirs.manifests.has(digest))),
  }
}

// A line that is none says nothing, which is safe.
function takeLine({ tags, manifests }: OwnMarks, line: string): void {
  const [kind, first = '', ...rest] = line.split(' ')
  if (kind === 'manifest' && isDigest(first)) {
    const [upstream = '', at = '', last] = rest
    if (/^\d+$/.test(at)) manifests.set(first, { upstream, at: Number(at), ...readSynced(last) })
  } else if (kind === 'tag' && isTag(first)) {
    const [digest = '', upstream = '', checkedAt = '', last, names] = rest
    if (!isDigest(digest) || !/^\d+$/.test(checkedAt)) return
    tags.set(first, { digest, upstream, checkedAt: Number(checkedAt), ...readSynced(last), ...readBy(names) })
  }
}

function readSynced(word: string | undefined): { readonly synced?: true } {
  return word === 'synced' ? { synced: true } : {}
}

function readBy(words = ''): { readonly by?: readonly string[] } {
  return /^[\w.,-]+$/u.test(words) ? { by: words.split(',') } : {}
}
