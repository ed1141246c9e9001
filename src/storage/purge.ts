// Removes uploads that nobody finished: distribution's `maintenance.uploadpurging`. Only directories that
// are named by a UUID and hold a readable `startedat` are touched, as there.
import { remove } from 'fs-extra/esm'
import type { Layout } from './layout.ts'
import { listDirectories } from './repositories.ts'
import type { Repositories } from './repositories.ts'
import { readTiny } from './stamp.ts'
import { isUploadId } from './upload-id.ts'

/** Purges uploads begun before `before` (milliseconds since 1970); gives how many. `dryRun` only counts. */
export async function purgeUploads(
  layout: Layout,
  repositories: Repositories,
  before: number,
  dryRun: boolean,
): Promise<number> {
  let purged = 0
  for await (const name of repositories.withUploads()) {
    for (const id of await listDirectories(layout.uploads(name))) {
      if (!isUploadId(id)) continue
      const startedAt = Date.parse(readTiny(layout.uploadStartedAt(name, id)) ?? '')
      if (!(startedAt < before)) continue
      if (!dryRun) await remove(layout.upload(name, id))
      purged += 1
    }
  }
  return purged
}
