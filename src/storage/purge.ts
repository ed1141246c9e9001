// Removes uploads that nobody finished: distribution's `maintenance.uploadpurging`. Only directories that
// are named by a UUID and hold a readable `startedat` are touched, as there.
import { listDirectories } from './repositories.ts'
import type { Store } from './store.ts'
import { isUploadId } from './upload-id.ts'

/** Purges uploads begun before `before` (milliseconds since 1970); gives how many. `dryRun` only counts. */
export async function purgeUploads(
  { layout, repositories, uploads }: Pick<Store, 'layout' | 'repositories' | 'uploads'>,
  before: number,
  dryRun: boolean,
): Promise<number> {
  let purged = 0
  for await (const name of repositories.withUploads()) {
    for (const id of await listDirectories(layout.uploads(name))) {
      if (!isUploadId(id) || !(uploads.startedAt(name, id) < before)) continue
      if (!dryRun) await uploads.purge(name, id, before)
      purged += 1
    }
  }
  return purged
}
