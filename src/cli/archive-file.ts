// Archives that a command was given: files, standard input, a directory of parts. Read as streams, and never as a whole.
import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { statArchive } from '../bundle/archive-files.ts'
import { findDataDirectory, measureDirectory, tarDirectory } from '../bundle/directory-tar.ts'
import { Problem } from '../config/problem.ts'
import type { ArchiveBody } from '../http/api/given.ts'
import { FileSource } from '../storage/byte-source.ts'
import type { CommandContext } from './context.ts'

const PIECE = 1024 * 1024

/** The bytes of a file, or with `-` of standard input. Throws a Problem when there is no such file. */
export function openArchive(path: string, { stdin }: Pick<CommandContext, 'stdin'>): ArchiveBody {
  if (path === '-') return { bytes: stdin, size: undefined }
  const facts = statArchive(path)
  if (facts.isDirectory()) {
    throw new Problem(`${path} is a directory`, { hint: 'name the files in it', exitCode: 2 })
  }
  if (facts.isFile()) return { bytes: new FileSource(path), size: facts.size }
  // A pipe says nothing of its length.
  return { bytes: createReadStream(path, { highWaterMark: PIECE }), size: undefined }
}

/** What `data:` means: a data directory, a tar of one, packed or not, or `-`. */
export function openData(path: string, context: Pick<CommandContext, 'stdin'>): ArchiveBody {
  if (path === '-' || !statArchive(path).isDirectory()) return openArchive(path, context)
  const directory = findDataDirectory(resolve(path))
  return { bytes: tarDirectory(directory), size: measureDirectory(directory) }
}
