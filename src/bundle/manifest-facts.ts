// What is kept in memory of the manifests of an archive: which blobs and manifests each of them names, and no more, since
// there can be very many.
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { readManifest, requiredBlobs } from '../oci/manifest.ts'
import { COST } from './allowance.ts'

export interface ManifestFacts {
  /** Without these it is not whole: config, and layers that have no urls. */
  readonly blobs: readonly Digest[]
  /** Layers that clients may fetch elsewhere. */
  readonly others: readonly Digest[]
  /** Of an index. */
  readonly children: readonly Digest[]
}

const OPEN_BRACE = 0x7b
// Most manifests have none of something: there can be very many.
const NONE: readonly Digest[] = []

/** Whether bytes that begin so can be a manifest. */
export function beginsAsManifest(bytes: Uint8Array): boolean {
  // White space before it is allowed, and nobody writes any.
  return bytes[0] === OPEN_BRACE || bytes[0] === 0x0a || bytes[0] === 0x20 || bytes[0] === 0x09 || bytes[0] === 0x0d
}

/** The facts of a manifest; undefined for bytes that are none, such as an image's configuration. Throws what `intern` throws. */
export function readFacts(bytes: Uint8Array, intern: (digest: Digest) => Digest): ManifestFacts | undefined {
  const manifest = parse(bytes)
  return manifest && factsOf(manifest, intern)
}

function parse(bytes: Uint8Array): Manifest | undefined {
  try {
    return readManifest(bytes)
  } catch {
    return undefined
  }
}

/** What of the process's memory the facts take. */
export function costOf({ blobs, others, children }: ManifestFacts): number {
  return COST.manifest + COST.reference * (blobs.length + others.length + children.length)
}

export function factsOf(manifest: Manifest, intern: (digest: Digest) => Digest = (same) => same): ManifestFacts {
  const unique = (digests: readonly Digest[]): readonly Digest[] =>
    digests.length === 0 ? NONE : [...new Set(digests)].map((digest) => intern(digest))
  const blobs = unique(requiredBlobs(manifest).map(({ digest }) => digest))
  const required = new Set(blobs)
  const others = unique(manifest.layers.map(({ digest }) => digest)).filter((digest) => !required.has(digest))
  return { blobs, others, children: unique(manifest.manifests.map(({ digest }) => digest)) }
}
