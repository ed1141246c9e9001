// One stored manifest, read past all caches: for collection, verification and lists (see walk.ts). Synchronous.
import { readFileSync } from 'node:fs'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, digestOf } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { readManifest } from '../oci/manifest.ts'
import type { Layout } from './layout.ts'
import { LARGEST_MANIFEST } from './manifests.ts'
import { isNotThere, statFile } from './stamp.ts'

export type ManifestFile =
  | { readonly state: 'read'; readonly bytes: Uint8Array; readonly manifest: Manifest }
  /** No file. */
  | { readonly state: 'missing' }
  /** The bytes are not what the digest says, or are no manifest; or the disk does not give them. */
  | { readonly state: 'broken'; readonly why: string }

/** Reads the manifest whose bytes hash to `digest` from the file of `stored`; `data`, else `trashed`. Never throws. */
export function readManifestFile(layout: Layout, digest: Digest, stored: Digest = digest): ManifestFile {
  const data = readBytes(layout.blobData(stored), digest)
  if (data.state !== 'missing') return data
  return readBytes(layout.blobTrash(stored), digest)
}

function readBytes(path: string, digest: Digest): ManifestFile {
  try {
    const facts = statFile(path)
    if (facts === undefined) return { state: 'missing' }
    if (facts.size > LARGEST_MANIFEST) return { state: 'broken', why: 'it is too large for a manifest' }
    const bytes = readFileSync(path)
    if (digestOf(bytes, algorithmOf(digest)) !== digest) {
      return { state: 'broken', why: 'its bytes are not what its digest says' }
    }
    return { state: 'read', bytes, manifest: readManifest(bytes) }
  } catch (error) {
    if (isNotThere(error)) return { state: 'missing' }
    return { state: 'broken', why: (error as Error).message }
  }
}
