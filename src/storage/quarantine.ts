// What becomes of a suspect blob. It may be a tar that is still extracting, so it is left alone until it
// has stood still for ten minutes over two readings; then it is hashed once more and, still wrong, moved out of
// the way. It is never deleted here, and a push of the blob puts a good one in its place at any time.
import { readdirSync } from 'node:fs'
import type { Blobs } from './blobs.ts'
import type { Layout } from './layout.ts'
import { isNotThere, statFile } from './stamp.ts'
import type { Suspect, Verdicts } from './verdicts.ts'

export const STILL_FOR_MS = 10 * 60 * 1000

export interface QuarantineParts {
  readonly layout: Layout
  readonly blobs: Blobs
  readonly verdicts: Verdicts
  readonly clock: () => number
}

/** Moves the suspects whose time has come; gives those that were moved. Called again and again by the keeper. */
export async function quarantineSuspects(parts: QuarantineParts): Promise<Suspect[]> {
  const moved: Suspect[] = []
  for (const suspect of parts.verdicts.suspects()) {
    if (parts.clock() - suspect.since < STILL_FOR_MS) continue
    const target = parts.layout.quarantined(suspect.digest, parts.clock())
    if ((await isStillWrong(parts, suspect)) && (await parts.blobs.setAside(suspect.digest, suspect.stamp, target))) {
      moved.push(suspect)
    }
    parts.verdicts.forget(suspect.digest)
  }
  return moved
}

/** How many files lie in quarantine. Throws when they cannot be listed. */
export function countQuarantined({ quarantine }: Pick<Layout, 'quarantine'>): number {
  try {
    return readdirSync(quarantine).length
  } catch (error) {
    if (isNotThere(error)) return 0
    throw error
  }
}

// The second reading: the same file state as ten minutes ago, hashed again with the verdict forgotten.
async function isStillWrong({ layout, blobs, verdicts }: QuarantineParts, suspect: Suspect): Promise<boolean> {
  // A wrong alias link says nothing against the file it leads to.
  if (suspect.path !== layout.blobData(suspect.digest)) return false
  if (statFile(suspect.path)?.stamp !== suspect.stamp) return false
  verdicts.forget(suspect.digest)
  if ((await blobs.ensureWhole(suspect.digest)) !== undefined) return false
  return statFile(suspect.path)?.stamp === suspect.stamp
}
