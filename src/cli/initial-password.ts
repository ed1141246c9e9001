// Hands a generated password to its owner: once on a terminal, else in a file that only the owner reads. Never
// through a log or a pipe.
import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createFile } from '../config/write-file.ts'

export interface InitialPasswordOptions {
  readonly user: string
  readonly password: string
  readonly authDirectory: string
  readonly isTerminal: boolean
}

/** Keeps the password where there is no terminal (`auth/initial-password`, 0600); gives the line to print and that path. */
export async function deliverPassword(options: InitialPasswordOptions): Promise<{ line: string; file?: string }> {
  const { user, password, authDirectory, isTerminal } = options
  if (isTerminal) return { line: `user ${user}, password ${password}   (shown only this once)` }
  const file = resolve(join(authDirectory, 'initial-password'))
  await mkdir(authDirectory, { recursive: true })
  await rm(file, { force: true })
  await createFile(file, `${password}\n`, 0o600)
  return { line: `user ${user}, password in ${file}   (remove the file when you have it)`, file }
}
