// Changes the htpasswd file of a home: one user at a time, whole or not at all, every other line as it was. It is for
// commands; the server only reads.
import { readFile, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { describeUnreadable, Problem } from '../config/problem.ts'
import { createFile, replaceFile } from '../config/write-file.ts'
import { removeUser, setUser } from './htpasswd.ts'

const MODE = 0o600
const LOOK_AGAIN_MS = 50
const LONGEST_WAIT_MS = 5_000

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
  const unlock = await lock(path)
  try {
    const before = await readIfThere(path)
    const after = change(before ?? '')
    if (after === undefined) return false
    await replaceFile(path, after, MODE)
    return true
  } finally {
    await unlock()
  }
}

// Two commands at once would otherwise both start from the same text, and the later one would undo the other's change.
async function lock(path: string): Promise<() => Promise<void>> {
  const file = `${path}.lock`
  for (let waited = 0; ; waited += LOOK_AGAIN_MS) {
    if (await createFile(file, `${process.pid}\n`, MODE)) return () => rm(file, { force: true })
    if (waited >= LONGEST_WAIT_MS) {
      throw new Problem(`another command is changing ${path}`, {
        hint: `if none is running, one was killed: remove ${file}`,
      })
    }
    await sleep(LOOK_AGAIN_MS)
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
