// Moves a blob that is proven wrong and that nobody could heal out of the way, so that a push of it is taken for the
// first. What changed a moment ago may be a tar that is still extracting, and stays.
import { STILL_FOR_MS } from '../quarantine.ts'
import type { Store } from '../store.ts'
import type { Fault } from './fault.ts'

/** Gives `set aside` when it was; `young` when it is too early; `other` when it is not wrong any more, or not provably. */
export async function setAsideWrong(
  { layout, blobs, verdicts, manifests }: Pick<Store, 'layout' | 'blobs' | 'verdicts' | 'manifests'>,
  { kind, digest, facts, corrupt }: Fault,
  clock: () => number,
): Promise<'set aside' | 'young' | 'other'> {
  const isProven = kind === 'blob-wrong' || (kind === 'blob-unreadable' && corrupt === true)
  if (!isProven || digest === undefined || facts === undefined) return 'other'
  if (clock() - facts.changedAt < STILL_FOR_MS) return 'young'
  if (!(await blobs.setAside(digest, facts.stamp, layout.quarantined(digest, clock())))) return 'other'
  verdicts.forget(digest)
  manifests.forget(digest)
  return 'set aside'
}
