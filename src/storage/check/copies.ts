// The places that a person names to heal from: data directories, tars of them (bundles are such), directories of tars.
import { readdirSync, statSync } from 'node:fs'
import { Problem } from '../../config/problem.ts'
import { childOf } from '../layout.ts'
import { compare } from '../repositories.ts'
import { openDirectorySource } from './directory-source.ts'
import type { BlobSource, LinkSource } from './source.ts'
import type { TarKind } from './tar-source.ts'
import { findTarKind } from './tar-source.ts'

export interface Copies {
  readonly directories: readonly (BlobSource & LinkSource)[]
  readonly tars: readonly { readonly path: string; readonly kind: TarKind }[]
}

/** Opens what lies at `paths`. Throws a Problem for what is neither a data directory nor a tar, nor holds tars. */
export async function openCopies(paths: readonly string[]): Promise<Copies> {
  const directories: (BlobSource & LinkSource)[] = []
  const tars: { path: string; kind: TarKind }[] = []
  for (const path of paths) {
    try {
      const isDirectory = statSync(path).isDirectory()
      const directory = isDirectory ? openDirectorySource(path) : undefined
      const found =
        directory === undefined ? await (isDirectory ? findTarsAmong(listFiles(path)) : findTars([path])) : []
      if (directory !== undefined) directories.push(directory)
      else if (found.length > 0) tars.push(...found)
      else throw new Problem(`${path} is neither a data directory nor a tar of one`, { hint: HINT })
    } catch (error) {
      if (error instanceof Problem) throw error
      const { code = 'unknown error' } = error as NodeJS.ErrnoException
      if (code === 'EACCES' || code === 'EPERM') throw describeClosed(path, code, error)
      throw new Problem(`cannot read ${path}: ${code}`, { hint: HINT, cause: error })
    }
  }
  return { directories, tars }
}

const HINT =
  'name a directory that holds docker/registry/v2, or a .tar, .tar.gz or .tar.zst of one (a bundle), or a directory of such'

// The parts of a bundle, say. What else lies there, a signature or sums, is passed over, and a part that is not whole.
function listFiles(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => !name.endsWith('.partial'))
    .map((name) => ({ name, key: name.replace(/\.part-(\d+)-of-(\d+)/, '.of-$2.part-$1') }))
    .toSorted((a, b) => compare(a.key, b.key))
    .map(({ name }) => childOf(directory, name))
}

// A file that may not be read is nobody's part where others are; alone it is what was meant.
async function findTarsAmong(paths: readonly string[]): Promise<Copies['tars']> {
  const found: Copies['tars'][number][] = []
  let refused: unknown
  for (const path of paths) {
    try {
      found.push(...(await findTars([path])))
    } catch (error) {
      refused ??= error
    }
  }
  if (found.length === 0 && refused !== undefined) throw refused
  return found
}

async function findTars(paths: readonly string[]): Promise<Copies['tars']> {
  const found: { path: string; kind: TarKind }[] = []
  for (const path of paths) {
    const kind = statSync(path, { throwIfNoEntry: false })?.isFile() === true ? await findTarKind(path) : undefined
    if (kind !== undefined) found.push({ path, kind })
  }
  return found
}

// It is read as the user of the registry, whoever gave the command.
function describeClosed(path: string, code: string, cause: unknown): Problem {
  const uid = process.getuid?.() ?? 0
  return new Problem(`cannot read ${path} as uid ${uid}, the user of the registry: ${code}`, {
    hint: `uid ${uid} must be able to read it, and to search the directories above it`,
    cause,
  })
}
