// The places that a person names to heal from: data directories and tars of them.
import { statSync } from 'node:fs'
import { Problem } from '../../config/problem.ts'
import { openDirectorySource } from './directory-source.ts'
import type { BlobSource, LinkSource } from './source.ts'
import type { TarKind } from './tar-source.ts'
import { findTarKind } from './tar-source.ts'

export interface Copies {
  readonly directories: readonly (BlobSource & LinkSource)[]
  readonly tars: readonly { readonly path: string; readonly kind: TarKind }[]
}

/** Opens what lies at `paths`. Throws a Problem for what is neither a data directory nor a tar. */
export async function openCopies(paths: readonly string[]): Promise<Copies> {
  const directories: (BlobSource & LinkSource)[] = []
  const tars: { path: string; kind: TarKind }[] = []
  for (const path of paths) {
    try {
      const directory = statSync(path).isDirectory() ? openDirectorySource(path) : undefined
      const kind = directory === undefined && statSync(path).isFile() ? await findTarKind(path) : undefined
      if (directory !== undefined) directories.push(directory)
      else if (kind !== undefined) tars.push({ path, kind })
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

const HINT = 'name a directory that holds docker/registry/v2, or a .tar, .tar.gz or .tar.zst of one'

// It is read as the user of the registry, whoever gave the command.
function describeClosed(path: string, code: string, cause: unknown): Problem {
  const uid = process.getuid?.() ?? 0
  return new Problem(`cannot read ${path} as uid ${uid}, the user of the registry: ${code}`, {
    hint: `uid ${uid} must be able to read it, and to search the directories above it`,
    cause,
  })
}
