// Disks that run out: a tmpfs without bytes or without inodes, and a small ext4, each in a mount namespace of its own.
// Root only.
import { mkdir } from 'node:fs/promises'
import { closeSync, mkdirSync, openSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { makeLoopDisk } from '../durability/loop-disk.ts'
import { openMountSpace } from '../durability/mount-space.ts'
import type { E2EContext } from '../helpers/suite.ts'

export interface SmallDisk {
  readonly mountPoint: string
  /** The same place as this process sees it. */
  readonly view: string
  /** Words before a command that is to see the disk. */
  readonly prefix: readonly string[]
  /** Takes all space but about `spare` bytes (no spare: to the last inode or byte). */
  fill(spare?: number): void
  /** Gives the space back. */
  clear(): void
  /** Mounts it again with other options, for example `abort`. */
  remount(option: string): Promise<void>
}

export type Shortage = 'bytes of a tmpfs' | 'inodes of a tmpfs' | 'bytes of an ext4'

/** Makes a disk that is small in the named way. Throws where it cannot be mounted. */
export async function makeSmallDisk(context: E2EContext, shortage: Shortage): Promise<SmallDisk> {
  const { mountPoint, view, prefix } = await mountSmall(context, shortage)
  const filler = join(view, 'filler')
  return {
    mountPoint,
    view,
    prefix,
    fill(spare = 0) {
      if (shortage === 'inodes of a tmpfs') takeInodes(filler)
      else takeBytes(filler, spare)
    },
    clear: () => rmSync(filler, { recursive: true, force: true }),
    remount: async (option) =>
      void (await context.machine.run('mount', ['-o', `remount,${option}`, mountPoint], { prefix })),
  }
}

async function mountSmall(
  context: E2EContext,
  shortage: Shortage,
): Promise<Pick<SmallDisk, 'mountPoint' | 'view' | 'prefix'>> {
  if (shortage === 'bytes of an ext4') return makeLoopDisk(context, 'ext4', 48)
  const space = await openMountSpace(context)
  const mountPoint = join(await context.machine.scratch('tmpfs'), 'disk')
  await mkdir(mountPoint)
  const size = shortage === 'bytes of a tmpfs' ? 'size=24m' : 'size=64m,nr_inodes=600'
  await context.machine.run('mount', ['-t', 'tmpfs', '-o', size, 'tmpfs', mountPoint], { prefix: space.prefix })
  return { mountPoint, view: space.view(mountPoint), prefix: space.prefix }
}

/** Writes to `filler` until not a byte goes in any more, then gives `spare` bytes back. */
export function takeBytes(filler: string, spare: number): void {
  const handle = openSync(filler, 'a')
  try {
    // Smaller and smaller pieces, to the last block.
    for (let size = 1024 * 1024; size >= 1; size = Math.floor(size / 2)) {
      const piece = Buffer.alloc(size)
      while (isDone(() => writeSync(handle, piece) === size));
    }
  } finally {
    closeSync(handle)
  }
  if (spare > 0) truncateSync(filler, statSync(filler).size - spare)
}

/** Makes empty files in the new directory `filler` until none can be made any more. */
export function takeInodes(filler: string): void {
  mkdirSync(filler)
  for (let at = 0; isDone(() => (writeFileSync(join(filler, String(at)), ''), true)); at++);
}

/** False when the disk is full; other errors go up. */
function isDone(act: () => boolean): boolean {
  try {
    return act()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false
    throw error
  }
}
