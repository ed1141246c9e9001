// Puts files where a tar or a registry:2 would put them, past everything that Tarn does when it writes: old
// mtimes, no fsync, no memory of it. Also the JSON of manifests that tests name by their parts.
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import type { Store } from '../../src/storage/store.ts'

const LONG_AGO = 1_000_000_000

/** Writes a file with its directories, its times long ago; gives its path. */
export function plantFile(path: string, bytes: Uint8Array | string): string {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
  utimesSync(path, LONG_AGO, LONG_AGO)
  return path
}

/** Plants the bytes of a blob, under the name of `digest` whether they have earned it or not. */
export function plantBytes({ layout }: Store, bytes: Uint8Array, digest: Digest = digestOf(bytes)): Digest {
  plantFile(layout.blobData(digest), bytes)
  return digest
}

/** Plants a blob with the link by which the repository holds it. */
export function plantBlob(store: Store, name: RepositoryName, bytes: Uint8Array): Digest {
  const digest = plantBytes(store, bytes)
  plantFile(store.layout.layerLink(name, digest), digest)
  return digest
}

/** Plants a manifest with its revision link, and a tag if one is given. */
export function plantManifest(store: Store, name: RepositoryName, bytes: Uint8Array, tag?: Tag): Digest {
  const digest = plantBytes(store, bytes)
  plantFile(store.layout.revisionLink(name, digest), digest)
  if (tag !== undefined) plantFile(store.layout.tagLink(name, tag), digest)
  return digest
}

export interface Part {
  readonly digest: Digest
  readonly size: number
  readonly mediaType?: string
  readonly urls?: readonly string[]
}

/** The bytes of an OCI image manifest; `more` are further members. */
export function imageOf(config: Part, layers: readonly Part[] = [], more: object = {}): Buffer {
  const layer = 'application/vnd.oci.image.layer.v1.tar'
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, ...config },
      layers: layers.map((part) => ({ mediaType: layer, ...part })),
      ...more,
    }),
  )
}

/** The bytes of an OCI index of these children. */
export function indexOf(children: readonly Part[], more: object = {}): Buffer {
  const manifests = children.map((part) => ({ mediaType: OCI_MANIFEST, ...part }))
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, ...more }))
}

/** Digest and size of bytes, as a descriptor has them. */
export function partOf(bytes: Uint8Array): Part {
  return { digest: digestOf(bytes), size: bytes.byteLength }
}
