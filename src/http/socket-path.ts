// Where the local socket of a data directory may be. Named by a hash of the directory's real path and never inside it:
// tar complains about sockets, and long paths cannot be bound.
import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'

/** What of the process and the system decides about the places. */
export interface SocketPlaces {
  readonly uid: number
  /** `$XDG_RUNTIME_DIR` */
  readonly own: string | undefined
  /** For root, and for the user of a service whose manager made it. */
  readonly system: string
  /** The directory for temporary files. */
  readonly temporary: string
}

/** The places of this process. */
export function readSocketPlaces(env: Readonly<Record<string, string | undefined>>): SocketPlaces {
  return {
    uid: process.getuid?.() ?? 0,
    own: env['XDG_RUNTIME_DIR'],
    system: '/run/tarn',
    temporary: tmpdir(),
  }
}

// sun_path of Linux less its last zero; other systems have less and say so themselves.
const LONGEST_PATH = 107
const HASH_LETTERS = 32

/** The file name of the socket; throws what the file system says when the directory is not there. */
export function socketName(directory: string): string {
  return `${createHash('sha256').update(realpathSync(directory)).digest('hex').slice(0, HASH_LETTERS)}.sock`
}

/** The directories that may hold sockets of this user, the best first; none needs to exist. */
export function socketDirectories({ uid, own, system, temporary }: SocketPlaces): string[] {
  return [
    ...(own?.startsWith('/') ? [`${own.replace(/\/+$/, '')}/tarn`] : []),
    system,
    `${temporary.replace(/\/+$/, '')}/tarn-${uid}`,
  ]
}

/** Whether a socket can have this path. */
export function isBindable(path: string): boolean {
  return Buffer.byteLength(path) <= LONGEST_PATH
}

/**
 * Makes the directory or takes the one that is there, when it is this user's alone: everybody who can write to it could
 * put a socket of theirs in the place of ours. Throws what the file system says, or why it is not to be used.
 */
export function claimDirectory(path: string, uid: number): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const found = lstatSync(path)
  if (!found.isDirectory()) throw new Error(`${path} is no directory`)
  if (found.uid !== uid) throw new Error(`${path} belongs to uid ${found.uid}, not to uid ${uid}`)
  // A service manager makes its directories open to all; the mask of a process takes bits away.
  if ((found.mode & 0o777) !== 0o700) chmodSync(path, 0o700)
}

/**
 * Whether a client may trust what listens at `path`: the socket and its directory belong to one of `uids`, and nobody
 * else may write there. Undefined when there is no socket.
 */
export function findOwner(path: string, uids: readonly number[]): 'trusted' | { readonly uid: number } | undefined {
  const socket = lstatSync(path, { throwIfNoEntry: false })
  if (socket?.isSocket() !== true) return undefined
  const directory = lstatSync(path.slice(0, path.lastIndexOf('/')))
  for (const { uid, mode } of [socket, directory]) {
    if (!uids.includes(uid) || (mode & 0o022) !== 0) return { uid }
  }
  return 'trusted'
}
