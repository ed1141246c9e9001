// The htpasswd file as it is now. A change counts from the next request on; a file that vanished or cannot be read
// lets nobody in. It must never log a hash, nor the same complaint at every request.
import type { BaseLogger } from 'pino'
import { describeUnreadable, Problem } from '../config/problem.ts'
import type { FileReading } from '../config/watched-file.ts'
import { isWorldReadable, readWatchedFile, stampOf } from '../config/watched-file.ts'
import type { Htpasswd } from './htpasswd.ts'
import { parseHtpasswd } from './htpasswd.ts'

export interface HtpasswdFile {
  /** The users of this moment: one stat(2) when nothing changed. The snapshot itself never changes. Never throws. */
  read(): Htpasswd
}

export interface HtpasswdFileOptions {
  readonly path: string
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly logger: Pick<BaseLogger, 'warn' | 'error'>
}

const NOBODY: Htpasswd = parseHtpasswd('')

/** Opens the file for the life of the server; throws a Problem when it is missing or unreadable now (R8). */
export function openHtpasswd({ path, clock, logger }: HtpasswdFileOptions): HtpasswdFile {
  let stamp: string | undefined
  let text: string | undefined
  let users = NOBODY

  const take = (reading: FileReading): void => {
    const recovered = text === undefined
    const next = reading.bytes.toString('utf8')
    const changed = next !== text || (stamp !== undefined && stamp !== reading.stamp)
    stamp = reading.settled ? reading.stamp : undefined
    if (!changed && !recovered) return
    text = next
    users = parseHtpasswd(next)
    complain(path, reading.mode, users, logger)
  }

  try {
    take(readWatchedFile(path, clock()))
  } catch (error) {
    throw describeMissing(path, error)
  }

  const read = (): Htpasswd => {
    const now = stampOf(path)
    if (now !== undefined && now === stamp) return users
    try {
      take(readWatchedFile(path, clock()))
    } catch (error) {
      // Said once: `text` stays undefined until the file is back.
      if (text !== undefined) {
        const { message, hint } = describeUnreadable('htpasswd file', path, error)
        logger.error({ path, hint }, `${message}; nobody can log in until it is back`)
      }
      stamp = undefined
      text = undefined
      users = NOBODY
    }
    return users
  }
  return { read }
}

function complain(path: string, mode: number, users: Htpasswd, logger: Pick<BaseLogger, 'warn'>): void {
  if (isWorldReadable(mode)) {
    logger.warn({ path }, `everybody on this machine can read the password hashes; run: chmod o-r ${path}`)
  }
  for (const { line, user, reason } of users.refused) {
    logger.warn(
      { path, line, user },
      `htpasswd line ${line}${user === undefined ? '' : ` (user ${JSON.stringify(user)})`} ${reason} and is left out`,
    )
  }
  if (users.users.size === 0) {
    const cure = `tarn user add NAME --config CONFIG.yml   (or: htpasswd -B ${path} NAME)`
    logger.warn({ path }, `nobody can log in: the htpasswd file has no usable line; add a user: ${cure}`)
  }
}

function describeMissing(path: string, error: unknown): Problem {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return describeUnreadable('htpasswd file', path, error)
  return new Problem(`there is no htpasswd file at ${path}`, {
    hint: `make it with its first user: tarn user add NAME --config CONFIG.yml   (or: htpasswd -cB ${path} NAME)`,
    cause: error,
  })
}
