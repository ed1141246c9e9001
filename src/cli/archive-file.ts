// Archives that a command was given: files, standard input, a directory of parts. Read as streams, and never as a whole.
import type { Stats } from 'node:fs'
import { createReadStream, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { findDataDirectory, measureDirectory, tarDirectory } from '../bundle/directory-tar.ts'
import { Problem } from '../config/problem.ts'
import type { ArchiveBody } from '../http/api/given.ts'
import type { CommandContext } from './context.ts'

const PIECE = 1024 * 1024
const PART = /\.(?:tar|tar\.zst|tzst|tar\.gz|tgz)$/

/** The bytes of a file, or with `-` of standard input. Throws a Problem when there is no such file. */
export function openArchive(path: string, { stdin }: Pick<CommandContext, 'stdin'>): ArchiveBody {
  if (path === '-') return { bytes: stdin, size: undefined }
  const facts = statArchive(path)
  if (facts.isDirectory()) {
    throw new Problem(`${path} is a directory`, { hint: 'name the files in it', exitCode: 2 })
  }
  return {
    bytes: createReadStream(path, { highWaterMark: PIECE }) as AsyncIterable<Uint8Array>,
    // A pipe says nothing of its length.
    size: facts.isFile() ? facts.size : undefined,
  }
}

/** What `data:` means: a data directory, a tar of one, packed or not, or `-`. */
export function openData(path: string, context: Pick<CommandContext, 'stdin'>): ArchiveBody {
  if (path === '-' || !statArchive(path).isDirectory()) return openArchive(path, context)
  const directory = findDataDirectory(resolve(path))
  return { bytes: tarDirectory(directory), size: measureDirectory(directory) }
}

/** Files as they are, and of a directory the archives in it by name. Throws a Problem where there is none. */
export function listArchives(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (path === '-' || !statArchive(path).isDirectory()) return [path]
    const found = readdirSync(path).filter((name) => PART.test(name))
    if (found.length > 0) return found.toSorted().map((name) => join(path, name))
    throw new Problem(`there is no bundle in ${path}`, { hint: 'a bundle is one or more .tar or .tar.zst files' })
  })
}

function statArchive(path: string): Stats {
  const facts = statSync(path, { throwIfNoEntry: false })
  if (facts !== undefined) return facts
  throw new Problem(`there is no file ${path}`, { hint: 'check the path', exitCode: 2 })
}
