// Which tags and manifests were mirrored rather than pushed. No mark means pushed: never evicted, overwritten or asked for
// again. So a mark is written before the link that it is about, and taken away before a push is acknowledged. One small
// file a repository, sealed by the home: what another home wrote, or a stranger, says nothing. While this process keeps
// the directory, a file that a tar puts there can take marks away and never add any (I2).
import { readdirSync } from 'node:fs'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { Durable } from './durable.ts'
import type { Layout } from './layout.ts'
import { childOf } from './layout.ts'
import type { Marks, MirroredManifest, MirroredTag, OwnMarks } from './mirrored-file.ts'
import { formatMarks, keepCommon, makeMarks, readMarks, readMirroredFile, readText } from './mirrored-file.ts'
import { Mutex } from './mutex.ts'
import type { Stamp } from './stamp.ts'
import { isNotThere, statFile } from './stamp.ts'

export type { Marks, MirroredManifest, MirroredTag }
export { readMarks }

interface Table extends OwnMarks {
  /** The state of the file that this stands for; undefined while there is none. */
  readonly stamp: Stamp | undefined
  /** Whether this process kept the directory when it was read or written. */
  readonly kept: boolean
  /** Whether the file may say more than this: it must not be left like that when somebody pushes. */
  behind: boolean
}

type Change = (table: OwnMarks) => void

export interface MirroredParts {
  readonly layout: Layout
  readonly durable: Durable
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** What only this home knows. */
  readonly home: () => string
  /** Whether this process keeps the directory now. */
  readonly keeps: () => boolean
}

const MOST_TABLES = 5000

export class Mirrored {
  readonly #parts: MirroredParts
  readonly #tables = new Map<RepositoryName, Table>()
  readonly #turns = new Mutex()
  /** Changes that wait for their turn: they are written at once. */
  readonly #waiting = new Map<RepositoryName, { readonly changes: Change[]; readonly written: Promise<void> }>()
  readonly #writing = new Set<RepositoryName>()
  /** Where memory knows more than the file, and nobody waits for it to be written. */
  readonly #unwritten = new Set<RepositoryName>()

  constructor(parts: MirroredParts) {
    this.#parts = parts
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

  /**
   * To be called before the tag's link moves; `checkedAt` is when the upstream said so, now unless told. A tag that a sync
   * means stays one.
   */
  async markTag(
    name: RepositoryName,
    tag: Tag,
    digest: Digest,
    upstream: string,
    checkedAt = this.#parts.clock(),
  ): Promise<void> {
    await this.#change(name, ({ tags }) => tags.set(tag, { ...tags.get(tag), digest, upstream, checkedAt }))
  }

  /**
   * Notes that a sync, `by` its name, means these tags, and these manifests by their digests; what has no mark was pushed
   * and stays so. For good when this returns; where it was noted before it costs a stat.
   */
  async markSynced(
    name: RepositoryName,
    tags: readonly Tag[],
    manifests: readonly Digest[],
    by?: string,
  ): Promise<void> {
    const known = this.#table(name)
    const isNew = (mark: { readonly synced?: true } | undefined): boolean => mark !== undefined && mark.synced !== true
    const isNewBy = (mark: MirroredTag | undefined): boolean =>
      isNew(mark) || (mark !== undefined && by !== undefined && mark.by?.includes(by) !== true)
    if (
      !tags.some((tag) => isNewBy(known.tags.get(tag))) &&
      !manifests.some((each) => isNew(known.manifests.get(each)))
    )
      return
    await this.#change(name, (table) => {
      for (const tag of tags) {
        addSynced(table.tags, tag)
        const mark = table.tags.get(tag)
        if (by === undefined || mark === undefined) continue
        table.tags.set(tag, { ...mark, by: [...new Set([...(mark.by ?? []), by])].toSorted() })
      }
      for (const digest of manifests) addSynced(table.manifests, digest)
    })
  }

  /** Notes that the sync `by` does not mean these tags any more. For good when this returns. */
  async leaveSynced(name: RepositoryName, tags: readonly Tag[], by: string): Promise<void> {
    if (!tags.some((tag) => this.tag(name, tag)?.by?.includes(by))) return
    await this.#change(name, (table) => {
      for (const tag of tags) {
        const mark = table.tags.get(tag)
        if (mark?.by !== undefined) table.tags.set(tag, { ...mark, by: mark.by.filter((each) => each !== by) })
      }
    })
  }

  /** Notes that the upstream said the same again at `at`; written with the next change, or by `flush`. */
  noteChecked(name: RepositoryName, tag: Tag, at: number): void {
    const { tags } = this.#table(name)
    const mark = tags.get(tag)
    if (mark === undefined) return
    tags.set(tag, { ...mark, checkedAt: at })
    this.#unwritten.add(name)
  }

  /**
   * Takes the marks of these away, because somebody pushes them. For good when this returns; without such marks it costs a
   * stat. Throws what the disk says.
   */
  async clear(name: RepositoryName, tags: readonly Tag[], manifests: readonly Digest[]): Promise<void> {
    if (!this.#table(name).behind && !this.#hasAny(name, tags, manifests)) return
    await this.#change(name, (table) => {
      for (const tag of tags) table.tags.delete(tag)
      for (const digest of manifests) table.manifests.delete(digest)
    })
  }

  /**
   * Drops the marks of what is gone. Without its link a mark says nothing, so it is written with the next change, or by
   * `flush`: a full disk must not stand in the way of a removal.
   */
  forget(name: RepositoryName, tags: readonly Tag[], manifests: readonly Digest[]): void {
    if (!this.#hasAny(name, tags, manifests)) return
    const table = this.#table(name)
    for (const tag of tags) table.tags.delete(tag)
    for (const digest of manifests) table.manifests.delete(digest)
    table.behind = true
    this.#unwritten.add(name)
  }

  /** The repositories that may have marks, in no order. */
  *names(): Generator<RepositoryName> {
    yield* walk(this.#parts.layout.mirroredMarks, '', this.#parts.layout)
  }

  /** Writes down what only memory knows. Never throws: what a full disk refuses is tried again. */
  async flush(): Promise<void> {
    // A name that fails is added again.
    const names = [...this.#unwritten]
    for (const name of names) {
      if (!this.#parts.keeps()) return
      await this.#change(name, () => undefined).catch(() => undefined)
    }
  }

  #hasAny(name: RepositoryName, tags: readonly Tag[], manifests: readonly Digest[]): boolean {
    const known = this.#table(name)
    return tags.some((tag) => known.tags.has(tag)) || manifests.some((digest) => known.manifests.has(digest))
  }

  #table(name: RepositoryName): Table {
    const known = this.#tables.get(name)
    if (known !== undefined && this.#writing.has(name)) return known
    const { layout, home, keeps } = this.#parts
    const stamp = statFile(layout.mirrored(name))?.stamp
    if (known !== undefined && known.stamp === stamp) return known
    const kept = keeps()
    const file = stamp === undefined ? { marks: makeMarks(), whole: true } : readMirroredFile(layout, name, home())
    // A tar put it there, and brought links too: those were imported, unless both say that they were mirrored.
    const isForeign = kept && known?.kept === true
    const marks = isForeign ? keepCommon(known, file.marks) : file.marks
    const table = { ...marks, stamp, kept, behind: stamp !== undefined && (isForeign || !file.whole) }
    if (this.#tables.size >= MOST_TABLES) this.#forgetTables()
    this.#tables.set(name, table)
    if (isForeign) this.#unwritten.add(name)
    return table
  }

  // Not those that know better than their file.
  #forgetTables(): void {
    for (const [name, { behind }] of this.#tables) if (!behind) this.#tables.delete(name)
  }

  #change(name: RepositoryName, change: Change): Promise<void> {
    const waiting = this.#waiting.get(name)
    if (waiting !== undefined) {
      waiting.changes.push(change)
      return waiting.written
    }
    const changes = [change]
    const written = this.#turns.run(name, async () => {
      // So that what is asked for in one go is one write.
      await Promise.resolve()
      this.#waiting.delete(name)
      await this.#write(name, changes)
    })
    this.#waiting.set(name, { changes, written })
    return written
  }

  async #write(name: RepositoryName, changes: readonly Change[]): Promise<void> {
    const { layout, durable, home } = this.#parts
    const known = this.#table(name)
    // A copy: if the disk refuses it, memory must not say more than the file.
    const marks = { tags: new Map(known.tags), manifests: new Map(known.manifests) }
    for (const change of changes) change(marks)
    const path = layout.mirrored(name)
    const text = marks.tags.size + marks.manifests.size === 0 ? undefined : formatMarks(home(), name, marks)
    const wasUnwritten = this.#unwritten.delete(name)
    this.#writing.add(name)
    try {
      if (text === undefined) await durable.remove(path)
      else await durable.writeSmall('link', path, text)
      const stamp = statFile(path)?.stamp
      // If not, somebody else was there just now, and what both say counts.
      if (readText(path) === text) this.#tables.set(name, { ...marks, stamp, kept: true, behind: false })
    } catch (error) {
      if (wasUnwritten) this.#unwritten.add(name)
      throw error
    } finally {
      this.#writing.delete(name)
    }
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

function addSynced<Key, Mark extends { readonly synced?: true }>(marks: Map<Key, Mark>, key: Key): void {
  const mark = marks.get(key)
  if (mark !== undefined) marks.set(key, { ...mark, synced: true })
}
