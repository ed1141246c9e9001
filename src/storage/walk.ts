// Walks the whole data directory for collection, verification and lists, in one thread and synchronously: it is meant
// for a worker or a command of its own, never for the server's event loop. Read-only. What does not belong is told to
// `onStray` and stepped over; a directory that cannot be read is told to `onUnreadable`, because what it holds is unknown.
import type { Dirent } from 'node:fs'
import { lstatSync, readdirSync, statSync } from 'node:fs'
import type { Algorithm, Digest } from '../oci/digest.ts'
import { ALGORITHMS, joinDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Layout } from './layout.ts'
import { childOf } from './layout.ts'
import type { FileFacts } from './stamp.ts'
import { directoryIdentity, isNotThere, statFile } from './stamp.ts'

export interface WalkReport {
  /** A file or directory that nobody's layout knows. */
  onStray(path: string): void
  /** A directory or file that is there and cannot be read; `error` is the system's. */
  onUnreadable(path: string, error: Error): void
  /** The directory of a link or of a blob, without it: what a deletion leaves. */
  onLeftover?(path: string, digest: Digest): void
  /** A directory of repositories in which there is nothing at all; `name` is what a repository there would be called. */
  onEmpty?(path: string, name: RepositoryName): void
}

/** Every repository: a directory with a name of one that holds `_layers`, `_manifests` or `_uploads`. In byte order of parts. */
export function* walkRepositories(layout: Layout, report: WalkReport): Generator<RepositoryName> {
  yield* walkBelow([layout.repositories], '', report)
}

function* walkBelow(directories: readonly string[], prefix: string, report: WalkReport): Generator<RepositoryName> {
  const directory = directories.at(-1) ?? ''
  let isRepository = false
  const below: string[] = []
  const entries = readEntries(directory, report)
  if (entries.length === 0 && prefix !== '') report.onEmpty?.(directory, prefix.slice(0, -1) as RepositoryName)
  for (const entry of entries) {
    const path = childOf(directory, entry.name)
    const isOwn =
      prefix !== '' && (entry.name === '_layers' || entry.name === '_manifests' || entry.name === '_uploads')
    if (!isDirectory(entry, path)) report.onStray(path)
    else if (isOwn) isRepository = true
    else if (isRepositoryName(prefix + entry.name)) below.push(entry.name)
    // registry:2 and 3 skip directories that begin with "_"; so do we, and say so.
    else report.onStray(path)
  }
  if (isRepository) yield prefix.slice(0, -1) as RepositoryName
  for (const name of below) {
    const path = childOf(directory, name)
    const identity = directoryIdentity(path)
    // A link to a directory above has no end.
    if (directories.every((above) => directoryIdentity(above) !== identity)) {
      yield* walkBelow([...directories, path], `${prefix}${name}/`, report)
    }
  }
}

export interface BlobEntry {
  readonly digest: Digest
  /** `data`, when it is there. */
  readonly data: FileFacts | undefined
  /** `trashed`, when it is there: what a collection took. Its `changedAt` is when. */
  readonly trashed: FileFacts | undefined
}

/** Every directory of a blob, sorted by digest within each algorithm; from the first one after `after` on. */
export function* walkBlobs(layout: Layout, report: WalkReport, after = ''): Generator<BlobEntry> {
  for (const entry of readEntries(layout.blobs, report)) {
    const path = childOf(layout.blobs, entry.name)
    const algorithm = ALGORITHMS.find((known) => known === entry.name)
    if (algorithm === undefined || !isDirectory(entry, path)) report.onStray(path)
    else yield* walkAlgorithm(layout, algorithm, path, report, after)
  }
}

function* walkAlgorithm(
  layout: Layout,
  algorithm: Algorithm,
  directory: string,
  report: WalkReport,
  after: string,
): Generator<BlobEntry> {
  for (const shard of readEntries(directory, report)) {
    const shardPath = childOf(directory, shard.name)
    if (!/^[0-9a-f]{2}$/.test(shard.name) || !isDirectory(shard, shardPath)) {
      report.onStray(shardPath)
      continue
    }
    if (`${algorithm}:${shard.name}g` <= after) continue
    for (const entry of readEntries(shardPath, report)) {
      const path = childOf(shardPath, entry.name)
      const digest = entry.name.startsWith(shard.name) ? joinDigest(algorithm, entry.name) : undefined
      if (digest === undefined || !isDirectory(entry, path)) report.onStray(path)
      else if (digest > after) {
        const found = readBlobEntry(layout, digest, report)
        if (found !== undefined) yield found
      }
    }
  }
}

/** What is there of one blob; undefined when neither file is, or when that cannot be told. */
export function readBlobEntry(layout: Layout, digest: Digest, report: WalkReport): BlobEntry | undefined {
  try {
    const data = statFile(layout.blobData(digest))
    const trashed = statFile(layout.blobTrash(digest))
    if (data !== undefined || trashed !== undefined) return { digest, data, trashed }
    report.onLeftover?.(layout.blob(digest), digest)
    return undefined
  } catch (error) {
    report.onUnreadable(layout.blob(digest), error as Error)
    return undefined
  }
}

/** The entries of a directory, sorted by name; none when it is not there, and told when it cannot be read. */
export function readEntries(path: string, report: WalkReport): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  } catch (error) {
    // A link that leads nowhere may lead to a disk that is not mounted: what lies there is unknown, not absent.
    if (!isNotThere(error) || isDeadLink(path)) report.onUnreadable(path, error as Error)
    else if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') report.onStray(path)
    return []
  }
}

/** Whether `path` is a symbolic link that leads to nothing. */
export function isDeadLink(path: string): boolean {
  try {
    const itself = lstatSync(path, { throwIfNoEntry: false })
    return itself?.isSymbolicLink() === true && statSync(path, { throwIfNoEntry: false }) === undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ELOOP'
  }
}

/** Whether the entry is a directory or a link to one. */
export function isDirectory(entry: Dirent, path: string): boolean {
  if (!entry.isSymbolicLink()) return entry.isDirectory()
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  } catch {
    return false
  }
}
