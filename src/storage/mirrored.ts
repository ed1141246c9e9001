// Which tags and manifests were mirrored rather than pushed. No mark means pushed: never evicted, overwritten or asked for
// again. So a mark is written before the link that it is about, and taken away before a push is acknowledged; and marks
// that another home set (they came with a tar) count as none. One small file a repository, read again when it changed (I2).
import { readFileSync, readdirSync } from 'node:fs'
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import type { Durable } from './durable.ts'
import type { Layout } from './layout.ts'
import { childOf } from './layout.ts'
import { Mutex } from './mutex.ts'
import type { Stamp } from './stamp.ts'
import { isNotThere, statFile } from './stamp.ts'

/** It counts only while the tag leads to `digest`. */
export interface MirroredTag {
  readonly digest: Digest
  /** The host of the upstream. */
  readonly upstream: string
  /** When the upstream last said so; milliseconds since 1970. */
  readonly checkedAt: number
}

export interface MirroredManifest {
  readonly upstream: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** The marks of one repository. */
export interface Marks {
  readonly tags: ReadonlyMap<Tag, MirroredTag>
  readonly manifests: ReadonlyMap<Digest, MirroredManifest>
}

interface Table {
  readonly stamp: Stamp | undefined
  readonly tags: Map<Tag, MirroredTag>
  readonly manifests: Map<Digest, MirroredManifest>
}

export interface MirroredParts {
  readonly layout: Layout
  readonly durable: Durable
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Tells this home from others. */
  readonly home: string
}

const MOST_TABLES = 5000

export class Mirrored {
  readonly #parts: MirroredParts
  readonly #header: string
  readonly #tables = new Map<RepositoryName, Table>()
  readonly #turns = new Mutex()
  /** What was asked for again since the file was written; a restart may forget it, and asks once more then. */
  readonly #checked = new Map<RepositoryName, Set<Tag>>()

  constructor(parts: MirroredParts) {
    this.#parts = parts
    this.#header = headerOf(parts.home)
  }

  /** The mark of a tag; on the path of every pull by tag, so it costs one stat where nothing changed. */
  tag(name: RepositoryName, tag: Tag): MirroredTag | undefined {
    return this.#table(name).tags.get(tag)
  }

  manifest(name: RepositoryName, digest: Digest): MirroredManifest | undefined {
    return this.#table(name).manifests.get(digest)
  }

  /** All marks of a repository. */
  marks(name: RepositoryName): Marks {
    return this.#table(name)
  }

  /** To be called before the revision's link is written. It is for good when this returns. */
  async markManifest(name: RepositoryName, digest: Digest, upstream: string): Promise<void> {
    const at = this.#parts.clock()
    await this.#change(name, ({ manifests }) => manifests.set(digest, { upstream, at }))
  }

  /** To be called before the tag's link moves. */
  async markTag(name: RepositoryName, tag: Tag, digest: Digest, upstream: string): Promise<void> {
    const checkedAt = this.#parts.clock()
    await this.#change(name, ({ tags }) => tags.set(tag, { digest, upstream, checkedAt }))
  }

  /** Notes that the upstream said the same again at `at`; written with the next change, or by `flush`. */
  noteChecked(name: RepositoryName, tag: Tag, at: number): void {
    const { tags } = this.#table(name)
    const mark = tags.get(tag)
    if (mark === undefined) return
    tags.set(tag, { ...mark, checkedAt: at })
    const checked = this.#checked.get(name) ?? new Set()
    this.#checked.set(name, checked.add(tag))
  }

  /**
   * Takes the marks of these away: somebody pushed them, or they are gone. For good when this returns; without such marks
   * it costs a stat.
   */
  async clear(name: RepositoryName, tags: readonly Tag[], manifests: readonly Digest[]): Promise<void> {
    const known = this.#table(name)
    if (!tags.some((tag) => known.tags.has(tag)) && !manifests.some((digest) => known.manifests.has(digest))) return
    await this.#change(name, (table) => {
      for (const tag of tags) table.tags.delete(tag)
      for (const digest of manifests) table.manifests.delete(digest)
    })
  }

  /** The repositories that may have marks, in no order. */
  *names(): Generator<RepositoryName> {
    yield* walk(this.#parts.layout.mirroredMarks, '', this.#parts.layout)
  }

  /** Writes down when tags were asked for again. Never throws: what a full disk refuses is kept in memory. */
  async flush(): Promise<void> {
    for (const name of this.#checked.keys()) await this.#change(name, () => undefined).catch(() => undefined)
  }

  #table(name: RepositoryName): Table {
    const stamp = statFile(this.#parts.layout.mirrored(name))?.stamp
    const known = this.#tables.get(name)
    if (known !== undefined && known.stamp === stamp) return known
    const table =
      stamp === undefined ? emptyTable() : { ...readTable(this.#parts.layout.mirrored(name), this.#header), stamp }
    if (this.#tables.size >= MOST_TABLES) this.#tables.clear()
    this.#tables.set(name, table)
    return table
  }

  async #change(name: RepositoryName, act: (table: Table) => void): Promise<void> {
    const { layout, durable } = this.#parts
    await this.#turns.run(name, async () => {
      const { tags, manifests } = this.#table(name)
      // A copy: if the disk refuses it, memory must not say more than the file.
      const table = { stamp: undefined, tags: new Map(tags), manifests: new Map(manifests) }
      act(table)
      const checked = this.#checked.get(name)
      this.#checked.delete(name)
      try {
        await durable.writeSmall('link', layout.mirrored(name), format(this.#header, table))
      } catch (error) {
        if (checked !== undefined) this.#checked.set(name, checked)
        throw error
      }
    })
  }
}

/** The marks that `home` set in a repository, for who only looks; none where they cannot be read. */
export function readMarks(layout: Layout, name: RepositoryName, home: string): Marks {
  return readTable(layout.mirrored(name), headerOf(home))
}

function headerOf(home: string): string {
  return `tarn-mirrored 1 ${home}`
}

function readTable(path: string, wanted: string): Table {
  const table = emptyTable()
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    // What cannot be read protects everything.
    return table
  }
  const [header, ...lines] = text.split('\n')
  if (header === wanted) for (const line of lines) takeLine(table, line)
  return table
}

function emptyTable(): Table {
  return { stamp: undefined, tags: new Map(), manifests: new Map() }
}

function format(header: string, { tags, manifests }: Table): string {
  const lines = [header]
  for (const [digest, { upstream, at }] of manifests) lines.push(`manifest ${digest} ${upstream} ${at}`)
  for (const [tag, { digest, upstream, checkedAt }] of tags) lines.push(`tag ${tag} ${digest} ${upstream} ${checkedAt}`)
  return `${lines.join('\n')}\n`
}

// A line that is none says nothing, which is safe.
function takeLine({ tags, manifests }: Table, line: string): void {
  const [kind, first = '', ...rest] = line.split(' ')
  if (kind === 'manifest' && isDigest(first)) {
    const [upstream = '', at = ''] = rest
    if (/^\d+$/.test(at)) manifests.set(first, { upstream, at: Number(at) })
  } else if (kind === 'tag' && isTag(first)) {
    const [digest = '', upstream = '', checkedAt = ''] = rest
    if (isDigest(digest) && /^\d+$/.test(checkedAt)) tags.set(first, { digest, upstream, checkedAt: Number(checkedAt) })
  }
}

function* walk(directory: string, prefix: string, layout: Layout): Generator<RepositoryName> {
  let entries
  try {
    entries = readdirSync(directory, { withFileTypes: true })
  } catch (error) {
    if (isNotThere(error)) return
    throw error
  }
  for (const entry of entries) {
    const name = `${prefix}${entry.name}`
    if (!entry.isDirectory() || !isRepositoryName(name)) continue
    if (statFile(layout.mirrored(name)) !== undefined) yield name
    yield* walk(childOf(directory, entry.name), `${name}/`, layout)
  }
}
