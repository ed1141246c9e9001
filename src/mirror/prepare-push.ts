// A client that was told "it is here" of a blob that only the upstream has leaves it out of its push. Before its manifest
// is judged, such blobs are brought here; so are images that an index names and that are on their way.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Manifest } from '../oci/manifest.ts'
import { readManifest, requiredBlobs } from '../oci/manifest.ts'
import type { Turns } from '../upstream/turns.ts'
import type { BlobFetcher } from './fetch-blob.ts'
import type { Fills } from './fills.ts'
import type { Located } from './route.ts'

export interface PreparePushParts {
  readonly blobs: Pick<BlobFetcher, 'isHere' | 'fetch' | 'find'>
  readonly fills: Pick<Fills, 'wait' | 'find'>
  /** Turns of what fills and pushes fetch. */
  readonly turns: Turns
  /** Whether the upstream may be asked for more than what is coming already. */
  readonly mayAsk: boolean
  /** Milliseconds for which images that are on their way are waited for. */
  readonly patience?: number
}

const PATIENCE_MS = 60_000

/** Brings what `bytes` needs as far as the upstream has it; what is missing then is for the push to refuse. */
export async function preparePush(
  located: Located,
  bytes: Uint8Array,
  { blobs, fills, turns, mayAsk, patience = PATIENCE_MS }: PreparePushParts,
): Promise<void> {
  const manifest = read(bytes)
  if (manifest === undefined) return
  // An upstream that broke off a moment ago counts as away, and what is coming from it comes all the same.
  const missing = requiredBlobs(manifest).filter(
    ({ digest }) => !blobs.isHere(located, digest) && (mayAsk || blobs.find(located, digest) !== undefined),
  )
  const coming = manifest.manifests.filter(({ digest }) => isImageOnItsWay(located, digest, fills))
  await Promise.allSettled([
    ...missing.map(async ({ digest, size }) => {
      const release = await turns.take()
      // Whoever pushes waits: an upstream that does not answer is soon given up.
      await blobs.fetch(located, { digest, size, patient: false }).finally(release)
    }),
    waitFor(patience, Promise.allSettled(coming.map(({ digest }) => fills.wait(located.name, digest)))),
  ])
}

// The fill of an image whose upstream went away goes on for a day.
async function waitFor(milliseconds: number, act: Promise<unknown>): Promise<void> {
  const over = new AbortController()
  const late = sleep(milliseconds, undefined, { signal: over.signal, ref: false }).catch(() => undefined)
  await Promise.race([act, late])
  over.abort()
}

// An index that waits for somebody to want a platform of it would be waited for in vain.
function isImageOnItsWay({ name }: Located, digest: Descriptor['digest'], fills: Pick<Fills, 'find'>): boolean {
  return fills.find(name, { kind: 'digest', digest })?.stored.manifest.kind === 'image'
}

// What is no manifest is refused by the push, with words.
function read(bytes: Uint8Array): Manifest | undefined {
  try {
    return readManifest(bytes)
  } catch {
    return undefined
  }
}
