// Files of an archive into a directory, which may hold some of them already.
import { randomUUID } from 'node:crypto'
import { link, lstat, mkdir, open, rename, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isNotThere } from '../storage/stamp.ts'
import type { TreeWriter } from './tree-writer.ts'

export interface DirectoryWriter extends TreeWriter {
  /** Gives a file a second name, as a hard link where the file system has such, else as a copy of `bytes`. */
  link(path: string, as: string, bytes: Uint8Array): Promise<void>
  /** The same where it can be a hard link; false where there is none to be had. */
  tryLink(path: string, as: string): Promise<boolean>
  /** Makes `path` a symbolic link with this text, in the place of an earlier one. */
  symlink(path: string, to: string): Promise<void>
}

/** Paths come from digests and from names that were checked, never from an archive. */
export function writeDirectory(root: string, { mode = 0o644 }: { readonly mode?: number } = {}): DirectoryWriter {
  /** Makes what `make` puts under a name of its own, and moves it into its place. */
  const put = async (path: string, make: (own: string) => Promise<void>): Promise<void> => {
    const target = join(root, path)
    await mkdir(dirname(target), { recursive: true })
    const own = join(dirname(target), `.tarn-${randomUUID()}`)
    try {
      await make(own)
      await rename(own, target)
    } finally {
      // Where both are names of one file already, the renaming does nothing.
      await rm(own, { force: true })
    }
  }
  const write: TreeWriter['write'] = (path, bytes) =>
    put(path, async (own) => {
      const handle = await open(own, 'wx', mode)
      try {
        if (bytes instanceof Uint8Array) await handle.writeFile(bytes)
        else for await (const chunk of bytes) await writeAll(handle, chunk as Uint8Array)
        // It goes onto media that are taken out.
        await handle.sync()
      } finally {
        await handle.close()
      }
    })
  const tryLink = async (path: string, as: string): Promise<boolean> => {
    try {
      await put(as, (own) => link(join(root, path), own))
      return true
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'EXDEV'].includes(code)) throw error
      return false
    }
  }
  return {
    name: root,
    async size(path) {
      try {
        const stat = await lstat(join(root, path))
        return stat.isFile() ? stat.size : undefined
      } catch (error) {
        if (isNotThere(error)) return undefined
        throw error
      }
    },
    write,
    async link(path, as, bytes) {
      if (!(await tryLink(path, as))) await write(as, bytes)
    },
    tryLink,
    symlink: (path, to) => put(path, (own) => symlink(to, own)),
    close: async () => undefined,
    // What is there is whole, and the next run goes on from it.
    discard: async () => undefined,
  }
}

async function writeAll(
  handle: { write(bytes: Uint8Array, at: number): Promise<{ bytesWritten: number }> },
  bytes: Uint8Array,
): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await handle.write(bytes, done)
    done += bytesWritten
  }
}
