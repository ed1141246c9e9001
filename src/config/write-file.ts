// Writes a small file of the home (never of the data directory) whole or not at all: a private file beside it,
// fsync, then its name, then fsync of the directory. A secret is never readable by others, not even for a moment.
import { randomUUID } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { link, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Makes `path` with `text` and `mode`. False, and nothing changed, when something is there already. */
export async function createFile(path: string, text: string, mode: number): Promise<boolean> {
  const temporary = await writeBeside(path, text, (handle) => handle.chmod(mode))
  try {
    // link(2) refuses to replace a name, which rename(2) would do.
    await link(temporary, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  } finally {
    await rm(temporary, { force: true })
  }
  await syncDirectory(dirname(path))
  return true
}

/** Replaces the file that `path` leads to, keeping its mode and owner; makes it with `mode` when it is not there. */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const target = await realpath(path).catch(() => path)
  const old = await stat(target).catch(() => undefined)
  const temporary = await writeBeside(target, text, async (handle) => {
    if (old !== undefined && process.getuid?.() === 0) await handle.chown(old.uid, old.gid)
    await handle.chmod(old === undefined ? mode : old.mode & 0o777)
  })
  try {
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(dirname(target))
}

async function writeBeside(
  path: string,
  text: string,
  setRights: (handle: FileHandle) => Promise<void>,
): Promise<string> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`)
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await setRights(handle)
    await handle.sync()
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  } finally {
    await handle.close()
  }
  return temporary
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
