// What a person named as a tree of files, whichever it is.
import { stat } from 'node:fs/promises'
import { Problem } from '../config/problem.ts'
import { isNotThere } from '../storage/stamp.ts'
import { openDirectoryTree } from './directory-tree.ts'
import type { FileTree } from './file-tree.ts'
import type { TarTreeOptions } from './tar-tree.ts'
import { openTarTree } from './tar-tree.ts'

/** A directory, or a tar, compressed or not. Throws a Problem when nothing is there, an UnreadableTree when it is neither. */
export async function openTree(path: string, options?: TarTreeOptions): Promise<FileTree> {
  try {
    return (await stat(path)).isDirectory() ? await openDirectoryTree(path) : await openTarTree(path, options)
  } catch (error) {
    if (!isNotThere(error)) throw error
    throw new Problem(`there is no ${path}`, { hint: 'check the path', cause: error })
  }
}
