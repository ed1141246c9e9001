// Takes and gives back blobs as the survey said, if that still holds. Each is asked for right before it goes.
import type { Digest } from '../../oci/digest.ts'
import { statFile } from '../stamp.ts'
import type { Store } from '../store.ts'
import { removeDirectory } from './sweep-repository.ts'
import type { SweepOptions } from './sweep-repository.ts'
import type { BlobLine } from './survey-result.ts'
import type { Tally } from './tally.ts'
import { nameRemoved } from './tally.ts'

/**
 * Does what one line says. `kept` are blobs that repositories may need which were left as they are. Throws what the file
 * system says, and what `requireWritable` throws.
 */
export async function sweepBlob(
  store: Store,
  line: BlobLine,
  kept: ReadonlySet<Digest>,
  tally: Pick<Tally, 'blobs' | 'trash' | 'complete' | 'removed' | 'waiting'>,
  { dryRun, requireWritable }: SweepOptions,
): Promise<void> {
  const { blobs, layout, leases } = store
  const { digest, size, stamp } = line
  requireWritable()

  const giveBack = (): void => {
    if (!dryRun && !blobs.restore(digest)) return
    tally.blobs.restored += 1
    tally.trash.blobs -= 1
    tally.trash.bytes -= size
  }

  if (line.act === 'restore') return giveBack()
  if (!tally.complete) return
  if (!leases.isFree(digest)) {
    if (line.act === 'trash')
      tally.waiting = { ...tally.waiting, blobs: tally.waiting.blobs + 1, bytes: tally.waiting.bytes + size }
    return
  }
  if (kept.has(digest)) {
    // Of what is in the trash only that goes back whose place is empty.
    if (line.act === 'delete' && statFile(layout.blobData(digest)) === undefined) giveBack()
    return
  }
  if (line.act === 'clear') {
    if (!dryRun) removeDirectory(layout.blob(digest))
  } else if (line.act === 'trash') {
    const before = statFile(layout.blobTrash(digest))
    if (dryRun ? statFile(layout.blobData(digest))?.stamp !== stamp : !blobs.trash(digest, stamp)) return
    if (!dryRun) forget(store, digest)
    tally.blobs.trashed += 1
    tally.blobs.trashedBytes += size
    tally.blobs.kept -= 1
    nameRemoved(tally.removed.blobs, digest)
    // An older one that lay there is replaced.
    tally.trash.blobs += before === undefined ? 1 : 0
    tally.trash.bytes += size - (before?.size ?? 0)
  } else {
    const goes = dryRun ? statFile(layout.blobTrash(digest))?.stamp === stamp : await blobs.deleteTrashed(digest, stamp)
    if (!goes) return
    tally.blobs.deleted += 1
    tally.blobs.deletedBytes += size
    tally.trash.blobs -= 1
    tally.trash.bytes -= size
  }
}

// A manifest in memory would be served while its bytes lie in the trash and are deleted at last.
function forget({ manifests, verdicts }: Store, digest: Digest): void {
  manifests.forget(digest)
  verdicts.forget(digest)
}
