// How much room the file system of the data directory has left. It is asked anew each time (statfs(2), 1.5 µs), so
// that space which somebody freed counts in the next request. It must never stand in the way of reading or removing.
import { statfsSync } from 'node:fs'
import type { Room as Mark } from '../config/bytes.ts'
import { parseRoom } from '../config/bytes.ts'
import { RegistryError } from '../oci/errors.ts'

/** `warn`: somebody should look; `stop`: no new upload is taken. */
export type RoomState = 'ok' | 'warn' | 'stop'

export interface RoomNumbers {
  /** Bytes that everybody may write; what is set aside for root does not count. */
  readonly free: number
  readonly total: number
  /** Files and directories that can still be made; Infinity where the file system sets no limit. */
  readonly freeInodes: number
  /** 0 where the file system sets no limit. */
  readonly totalInodes: number
  readonly state: RoomState
}

/** How much must be free, in the words of the configuration: `5%`, `10GiB`, or both, of which the smaller counts. */
export interface RoomMarks {
  readonly warn: string
  readonly stop: string
}

/** What the directories and links of one more blob or manifest take: begun uploads must be able to end. */
const RESERVE = 64 * 1024
/** How many directories and links that are in a repository that is there; a new one takes a few more. */
export const INODES_OF_ONE = 8
// The share of a mark counts for inodes as well, up to these: a disk with millions of them is not short at 5 %.
const MOST_INODES = { warn: 10_000, stop: 1000 } as const
const NONE: Mark = { share: 0, bytes: 0 }
/** Seconds. Room comes back when a person or a collection makes some. */
const RETRY_AFTER = '60'

export class Room {
  readonly #directory: string
  readonly #warn: Mark
  readonly #stop: Mark

  /** `directory` is the data directory. Without `marks` only what really does not fit is refused. */
  constructor(directory: string, { warn, stop }: RoomMarks = { warn: '0', stop: '0' }) {
    this.#directory = directory
    this.#warn = parseRoom(warn) ?? NONE
    this.#stop = parseRoom(stop) ?? NONE
  }

  /** What is free now. Throws what the file system says when the directory is gone. */
  read(): RoomNumbers {
    const { bsize, frsize, blocks, bavail, files, ffree } = statfsSync(this.#directory)
    // Blocks are counted in fragments, which are not blocks on some file systems of user space.
    const unit = frsize > 0 ? frsize : bsize
    const numbers = {
      free: bavail * unit,
      total: blocks * unit,
      freeInodes: files > 0 ? ffree : Infinity,
      totalInodes: files,
    }
    return { ...numbers, state: this.#judge(numbers) }
  }

  /**
   * Asks whether a new upload may begin that is to bring `bytes`, before any of them is read. Throws UNAVAILABLE below
   * the mark `stop` and where they do not fit.
   */
  requireRoom(bytes = 0): void {
    this.#require((now) => now.state !== 'stop' && fits(now, bytes))
  }

  /**
   * Asks whether what was begun may go on with `bytes` and so many new files and directories more. Throws UNAVAILABLE
   * where they do not fit.
   */
  requireSpace(bytes = 0, inodes = 0): void {
    this.#require((now) => fits(now, bytes) && now.freeInodes >= inodes)
  }

  /** Bytes that may still be written before no new upload is taken. Infinity where the file system does not say. */
  spare(): number {
    const { free, total } = this.read()
    return total === 0 ? Infinity : free - RESERVE - Math.min(this.#stop.share * total, this.#stop.bytes)
  }

  #require(allows: (now: RoomNumbers) => boolean): void {
    let now: RoomNumbers
    try {
      now = this.read()
    } catch {
      // A directory that cannot be asked cannot be written either, and says so better.
      return
    }
    if (!allows(now)) throw noRoom()
  }

  #judge(numbers: Omit<RoomNumbers, 'state'>): RoomState {
    // A file system that says nothing about its size is not full.
    if (numbers.total === 0) return 'ok'
    if (isBelow(numbers, this.#stop, MOST_INODES.stop)) return 'stop'
    return isBelow(numbers, this.#warn, MOST_INODES.warn) ? 'warn' : 'ok'
  }
}

// EFBIG: the file system cannot hold so large a file.
const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

class NoRoom extends RegistryError {}

/** Whether the error says that the disk, or somebody's part of it, is full. */
export function isNoRoom(error: unknown): boolean {
  return error instanceof NoRoom || NO_ROOM.has((error as NodeJS.ErrnoException | undefined)?.code ?? '')
}

/** The answer where there is no room. */
export function noRoom(cause?: unknown): RegistryError {
  return new NoRoom('UNAVAILABLE', {
    message: 'no space left for the data directory: free some and try again',
    headers: { 'retry-after': RETRY_AFTER },
    ...(cause === undefined ? {} : { cause }),
  })
}

function fits({ free, total }: RoomNumbers, bytes: number): boolean {
  return total === 0 || free >= bytes + RESERVE
}

function isBelow(now: Omit<RoomNumbers, 'state'>, { share, bytes }: Mark, mostInodes: number): boolean {
  if (now.free < Math.min(share * now.total, bytes)) return true
  // A mark of nothing is switched off, for inodes too.
  return bytes > 0 && now.freeInodes < Math.min(share * now.totalInodes, mostInodes)
}
