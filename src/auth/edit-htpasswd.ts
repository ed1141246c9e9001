// Changes the htpasswd file of a home: one user at a time, whole or not at all, every other line as it was. It is for
// commands; the server only reads.
import { readFile } from 'node:fs/promises'
import { describeUnreadable } from '../config/problem.ts'
import { createFile, replaceFile } from '../config/write-file.ts'
import { removeUser, setUser } from './htpasswd.ts'

const MODE = 0o600
const TRIES = 10

/** Gives `user` the bcrypt `hash`; makes the file when there is none. Throws a Problem for a file that cannot be read. */
export async function writeUser(path: string, user: string, hash: string): Promise<void> {
  await edit(path, (text) => setUser(text, user, hash))
}

/** Takes `user` out of the file; false when there was no such user. */
export async function eraseUser(path: string, user: string): Promise<boolean> {
  return edit(path, (text) => removeUser(text, user))
}

/** The text of the file; empty when there is none. */
export async function readHtpasswd(path: string): Promise<string> {
  return (await readIfThere(path)) ?? ''
}

async function edit(path: string, change: (text: string) => string | undefined): Promise<boolean> {
  for (let attempt = 1; ; attempt += 1) {
    const before = await readIfThere(path)
    const after = change(before ?? '')
    if (after === undefined) return false
    if (before === undefined) {
      if (await createFile(path, after, MODE)) return true
      if (attempt < TRIES) continue
    }
    // Another command may have changed the file since it was read: then its change is taken up first.
    if (attempt < TRIES && (await readIfThere(path)) !== before) continue
    await replaceFile(path, after, MODE)
    return true
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw describeUnreadable('htpasswd file', path, error)
  }
}
