// Hands a generated password to its owner: once on a terminal, else in a file that only the owner reads. Never
// through a log or a pipe.
import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { createFile } from '../config/write-file.ts'

export interface InitialPasswordOptions {
  readonly user: string
  readonly password: string
  readonly authDirectory: string
  /** The terminal that may show the password; without one it goes into a file. */
  readonly terminal?: Writable | undefined
}

export interface Delivery {
  /** To be called when the user exists. A terminal shows the password in that moment: no later failure can lose it. */
  readonly onUser: () => void
  /** Where the password lies; absent where a terminal shows it. */
  readonly file?: string
}

/** Prepares the delivery, which makes `auth/initial-password` (0600) where there is no terminal. */
export async function deliverPassword(options: InitialPasswordOptions): Promise<Delivery> {
  const { user, password, authDirectory, terminal } = options
  if (terminal !== undefined) {
    const line = `user ${user}, password ${password}   (shown only this once)`
    return { onUser: () => void terminal.write(`${line}\n`) }
  }
  // Before the user exists: a crash in between leaves a password that opens nothing, never a user without one.
  const file = fileOf(authDirectory)
  await mkdir(authDirectory, { recursive: true })
  await rm(file, { force: true })
  await createFile(file, `${password}\n`, 0o600)
  return { onUser: () => undefined, file }
}

/** The line that names the file of the first password, for as long as the owner has not removed it. */
export function describePasswordFile(user: string, authDirectory: string): string[] {
  const file = fileOf(authDirectory)
  return existsSync(file) ? [`user ${user}, first password in ${file}   (remove the file when you have it)`] : []
}

function fileOf(authDirectory: string): string {
  return resolve(join(authDirectory, 'initial-password'))
}
