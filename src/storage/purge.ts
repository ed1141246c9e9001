// Removes uploads that nobody finished: distribution's `maintenance.uploadpurging`, and those to which nothing came
// for too long. Only directories that are named by a UUID and hold `startedat` are touched, as there. One in which that
// is torn (a power cut leaves it empty) has no age, and goes when it is idle.
import { rmdirSync, statSync } from 'node:fs'
import { childOf } from './layout.ts'
import { listDirectories } from './repositories.ts'
import type { Store } from './store.ts'
import { inTurns } from './turn.ts'
import { isUploadId } from './upload-id.ts'
import type { UploadTimes } from './upload-times.ts'

/** Times in milliseconds since 1970. */
export interface Due {
  /** Drops what was begun earlier. */
  readonly begunBefore: number
  /** Drops that to which nothing came since. */
  readonly idleBefore: number
}

/** What a crash between making the directory of an upload and its first file leaves is that after so long. */
const LEFT_OVER_MS = 60 * 60_000

/** Drops the known uploads that are due; gives how many. `dryRun` only counts. */
export async function purgeUploads({ uploads }: Pick<Store, 'uploads'>, due: Due, dryRun: boolean): Promise<number> {
  const isDue = ({ begunAt, activeAt }: UploadTimes): boolean => begunAt < due.begunBefore || activeAt < due.idleBefore
  let purged = 0
  for await (const upload of inTurns(uploads.open.list())) {
    const times = uploads.times(upload.name, upload.id)
    if (times === undefined) {
      // Another program ended it: it only leaves the table, unless it is being made just now.
      await uploads.drop(upload, () => false)
      continue
    }
    uploads.open.note(upload, times.activeAt)
    if (isDue(times) && (dryRun || (await uploads.drop(upload, isDue)))) purged += 1
  }
  return purged
}

/**
 * Learns by one walk over the repositories which uploads are under way, of earlier lives and of other programs. `clock`
 * gives milliseconds since 1970.
 */
export async function findUploads(
  { layout, repositories, uploads }: Pick<Store, 'layout' | 'repositories' | 'uploads'>,
  clock: () => number,
): Promise<void> {
  for await (const name of repositories.withUploads()) {
    for await (const id of inTurns(await listDirectories(layout.uploads(name)))) {
      if (isUploadId(id) && !uploads.learn(name, id)) removeLeftOver(childOf(layout.uploads(name), id), clock)
    }
  }
}

// rmdir takes nothing but an empty directory.
function removeLeftOver(directory: string, clock: () => number): void {
  try {
    if (clock() - statSync(directory).ctimeMs > LEFT_OVER_MS) rmdirSync(directory)
  } catch {
    // It holds something, or is gone.
  }
}
