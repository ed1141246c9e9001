// Directories in which nothing is left: of links that were deleted, of tags, of whole repositories. Only old ones count:
// a tar or a push makes a directory a moment before it writes into it. Reads only; synchronous, for the survey.
import type { Dirent } from 'node:fs'
import { lstatSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'
import type { Layout } from '../layout.ts'
import { childOf } from '../layout.ts'
import { isNotThere } from '../stamp.ts'
import type { WalkReport } from '../walk.ts'
import { readEntries } from '../walk.ts'

export type IsYoung = (changedAt: number) => boolean
export type EmptyDirectory = readonly [path: string, digest: Digest | undefined]

/** Whether `path` is a real directory (no link to one) that is old enough to go. */
export function isOldDirectory(path: string, isYoung: IsYoung): boolean {
  try {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    return stat?.isDirectory() === true && !isYoung(stat.ctimeMs)
  } catch (error) {
    if (isNotThere(error)) return false
    throw error
  }
}

/** Whether something is at `path` that is no file: what it stands for is unknown. */
export function isOtherFile(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isFile() === false
  } catch (error) {
    return !isNotThere(error)
  }
}

/** The directory of a link without its link, when it is empty and old; told as unreadable when the link is a special file. */
export function findEmptyLink(path: string, digest: Digest, isYoung: IsYoung, report: WalkReport): EmptyDirectory[] {
  const entries = readEntries(path, report)
  for (const entry of entries) {
    const inside = childOf(path, entry.name)
    // Written since somebody looked for it: a push or a tar is at work here.
    if (entry.isFile() && (entry.name === 'link' || entry.name === 'data')) continue
    // Something by this name that is no file: what it stands for is unknown.
    if (entry.name === 'link') report.onUnreadable(inside, new Error('the link is not a file'))
    else report.onStray(inside)
  }
  return entries.length === 0 && isOldDirectory(path, isYoung) ? [[path, digest]] : []
}

/** The directories of a tag that leads nowhere and has no history any more, the deepest first. */
export function findDeadTag(layout: Layout, name: RepositoryName, tag: Tag, isYoung: IsYoung): EmptyDirectory[] {
  const index = layout.tagIndex(name, tag)
  const all = [childOf(index, 'sha256'), childOf(index, 'sha512'), index, dirname(layout.tagLink(name, tag))]
  return [...all, layout.tag(name, tag)]
    .filter((path) => isOldDirectory(path, isYoung))
    .map((path): EmptyDirectory => [path, undefined])
}

/**
 * All directories of a repository in which only `goes` (paths of files) is left, the deepest first, then those above it
 * that are old. Undefined when something else lies there or a directory is young.
 */
export function findEmptyRepository(
  layout: Layout,
  name: RepositoryName,
  goes: ReadonlySet<string>,
  isYoung: IsYoung,
  report: WalkReport,
): EmptyDirectory[] | undefined {
  const repository = layout.repository(name)
  const found: EmptyDirectory[] = []
  const visit = (path: string): boolean => {
    if (!isOldDirectory(path, isYoung)) return false
    for (const entry of readEntries(path, report)) if (!isGone(path, entry)) return false
    found.push([path, undefined])
    return true
  }
  const isGone = (directory: string, entry: Dirent): boolean => {
    const path = childOf(directory, entry.name)
    return entry.isDirectory() ? visit(path) : goes.has(path)
  }
  for (const entry of readEntries(repository, report)) {
    // Others may be repositories of their own, or somebody's.
    if (!['_layers', '_manifests', '_uploads'].includes(entry.name)) continue
    if (!visit(childOf(repository, entry.name))) return undefined
  }
  return [...found, ...findAbove(layout, repository, isYoung)]
}

/** `path` and the directories above it, up to that of all repositories, as far as they are old. */
export function findAbove(layout: Layout, path: string, isYoung: IsYoung): EmptyDirectory[] {
  const found: EmptyDirectory[] = []
  for (let above = path; above !== layout.repositories; above = dirname(above)) {
    if (!isOldDirectory(above, isYoung)) break
    found.push([above, undefined])
  }
  return found
}
