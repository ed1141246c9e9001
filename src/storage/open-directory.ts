// Looks at the data directory before anything is built on it: is it there, may it be written?
import { accessSync, constants, mkdirSync, statSync } from 'node:fs'

export type DirectoryState = 'writable' | 'read-only mount' | 'forbidden'

/**
 * Makes the directory when it is missing and says what may be done with it. Throws what the file system
 * says when it is no directory or cannot be made or read.
 */
export function openDirectory(path: string): DirectoryState {
  try {
    mkdirSync(path, { recursive: true })
    if (!statSync(path).isDirectory()) throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR', path })
    accessSync(path, constants.R_OK | constants.X_OK)
    accessSync(path, constants.W_OK)
    return 'writable'
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EROFS') return 'read-only mount'
    if (code === 'EACCES' || code === 'EPERM') return 'forbidden'
    throw error
  }
}
