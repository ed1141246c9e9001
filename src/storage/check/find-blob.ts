// Whether the bytes that a link or a manifest names lie where they should; told when they do not. In the thread of the
// survey.
import type { Digest } from '../../oci/digest.ts'
import { statFile } from '../stamp.ts'
import type { FileFacts } from '../stamp.ts'
import type { Place } from './survey-state.ts'

/**
 * Facts of the blob stored under `digest`; undefined when it is not here, which is told. `witness` is the link because
 * of which it is missed, and `size` what a manifest says of it, in bytes.
 */
export function findBlob(place: Place, digest: Digest, witness: string, size?: number): FileFacts | undefined {
  const { layout, counts, fast } = place.state
  const path = layout.blobData(digest)
  const facts = statHere(path)
  if (facts instanceof Error) {
    const { code = facts.message } = facts as NodeJS.ErrnoException
    place.report({ kind: 'unreadable', path, digest, what: `it cannot be looked at: ${code}` })
    return undefined
  }
  if (facts !== undefined) {
    if (fast && !place.state.done.has(digest)) {
      place.state.done.add(digest)
      counts.blobs += 1
    }
    return facts
  }
  const isTrashed = statHere(layout.blobTrash(digest)) !== undefined
  const kind = isTrashed ? 'blob-in-trash' : 'blob-missing'
  const what = isTrashed ? 'it is needed and lies in the trash' : 'it is needed and is not here'
  place.report({ kind, path, digest, size, witness, what })
  return undefined
}

function statHere(path: string): FileFacts | Error | undefined {
  try {
    return statFile(path)
  } catch (error) {
    return error as Error
  }
}
