// Looks at the data directory before anything is built on it: is it there, may it be written?
import { accessSync, constants, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Layout } from './layout.ts'
import { isNotThere } from './stamp.ts'

export type DirectoryState =
  | { readonly kind: 'writable' }
  | { readonly kind: 'read-only mount' }
  /** This process may not write `path`. */
  | { readonly kind: 'forbidden'; readonly path: string }

/**
 * Makes the directory when it is missing and says what may be done with it, and with the directories in it that are
 * written to: after a move from another user's registry they are that user's. Throws what the file system says when
 * it is no directory or cannot be made or read.
 */
export function openDirectory({ root, own, blobs, repositories }: Layout): DirectoryState {
  for (const path of [root, own, dirname(blobs), blobs, repositories]) {
    try {
      if (path === root) makeDirectory(root)
      accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EROFS') return { kind: 'read-only mount' }
      if (code === 'EACCES' || code === 'EPERM') return { kind: 'forbidden', path }
      if (path === root || !isNotThere(error)) throw error
    }
  }
  return { kind: 'writable' }
}

// One by one from the top: Node's own recursive mkdir never comes back from a place like /proc.
function makeDirectory(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found?.isDirectory()) return
  if (found === undefined && dirname(path) !== path) makeDirectory(dirname(path))
  mkdirSync(path)
}
