// Whom a home trusts to sign bundles: OpenSSH's allowed_signers file beside its htpasswd file, read at each question.
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describeUnreadable } from '../config/problem.ts'
import type { Config } from '../config/schema.ts'
import type { AllowedSigner } from './allowed-signers.ts'
import { parseAllowedSigners } from './allowed-signers.ts'
import { KEY_FILE } from './bundle-key.ts'

export interface Trust {
  /** Undefined where there is no file: then nobody said whom to trust. */
  readonly signers: readonly AllowedSigner[] | undefined
  /** Milliseconds since 1970. */
  readonly now: number
  /** The file of the home's own key, which need not be there. */
  readonly key: string
}

export const SIGNERS_FILE = 'allowed_signers'

/** The file of a home; `home` is the directory of its configuration, where there is one. */
export function signersPath({ auth }: Pick<Config, 'auth'>, home: string | undefined): string {
  const directory = auth.htpasswd === undefined ? resolve(home ?? '.', 'auth') : dirname(resolve(auth.htpasswd.path))
  return join(directory, SIGNERS_FILE)
}

/** What the home at `signers` trusts now. */
export function readTrust(path: string, now: number): Trust {
  return { signers: readSigners(path), now, key: join(dirname(path), KEY_FILE) }
}

/** Who may sign by the file at `path`; undefined where there is none. Throws a Problem for one that cannot be read. */
export function readSigners(path: string): AllowedSigner[] | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw describeUnreadable('file of allowed signers', path, error)
  }
  return parseAllowedSigners(text, path)
}
