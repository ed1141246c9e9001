// A directory as a tree of files. Links are followed only as far as they stay in it.
import { constants } from 'node:fs'
import { lstat, open, readdir, readlink, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import type { Readable } from 'node:stream'
import { quoteText } from '../oci/json.ts'
import { isNotThere } from '../storage/stamp.ts'
import type { FileTree, TreeEntry } from './file-tree.ts'
import { UnreadableTree, joinInside } from './file-tree.ts'

// A directory of blobs can be large; nothing that is exchanged has a million images.
const MOST_ENTRIES = 1_000_000

export async function openDirectoryTree(path: string): Promise<FileTree> {
  const root = await realpath(path)
  /** The real path of what lies there; undefined when that is nothing, or outside. */
  const locate = async (inside: string): Promise<string | undefined> => {
    if (joinInside('', inside) !== inside) return undefined
    try {
      const real = await realpath(join(root, inside))
      return real === root || real.startsWith(root === sep ? sep : root + sep) ? real : undefined
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (isNotThere(error) || code === 'ELOOP' || code === 'ENAMETOOLONG') return undefined
      throw error
    }
  }
  return {
    name: path,
    async list(inside) {
      const entries = new Map<string, TreeEntry>()
      const directory = await locate(inside)
      if (directory === undefined) return entries
      const names = await readdir(directory).catch((error: unknown) => {
        if (isNotThere(error)) return []
        throw error
      })
      if (names.length > MOST_ENTRIES) throw new UnreadableTree(`${path}: ${quoteText(inside)} has too many entries`)
      for (const name of names) {
        const entry = await describe(join(directory, name))
        if (entry !== undefined) entries.set(name, entry)
      }
      return entries
    },
    async find(inside) {
      const above = inside.split('/').slice(0, -1).join('/')
      const directory = await locate(above)
      return directory === undefined ? undefined : describe(join(directory, inside.slice(above.length)))
    },
    async size(inside) {
      const real = await locate(inside)
      const entry = real === undefined ? undefined : await describe(real)
      return entry?.kind === 'file' ? entry.size : undefined
    },
    async open(inside) {
      const real = await locate(inside)
      if (real === undefined) throw new UnreadableTree(`${path}: ${quoteText(inside)} is not there, or leads out of it`)
      return openFile(real)
    },
    close: async () => undefined,
  }
}

async function openFile(path: string): Promise<Readable> {
  // Not blocking: a pipe in the place of a blob would wait for ever.
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    if (!(await handle.stat()).isFile()) throw new UnreadableTree(`${path} is no file`)
    return handle.createReadStream({ highWaterMark: 512 * 1024 })
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function describe(path: string): Promise<TreeEntry | undefined> {
  try {
    const stat = await lstat(path)
    if (stat.isFile()) return { kind: 'file', size: stat.size }
    if (stat.isDirectory()) return { kind: 'directory' }
    if (stat.isSymbolicLink()) return { kind: 'link', to: await readlink(path) }
  } catch (error) {
    if (!isNotThere(error)) throw error
  }
  return undefined
}
