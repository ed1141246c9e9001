// The manifests of one repository: read past all caches, hashed, and asked what they need. In the thread of the survey.
import type { Digest } from '../../oci/digest.ts'
import type { Manifest } from '../../oci/manifest.ts'
import { requiredBlobs } from '../../oci/manifest.ts'
import { readManifestFile } from '../read-manifest-file.ts'
import { checkBlob } from './check-blob.ts'
import { findBlob } from './find-blob.ts'
import type { LinkTable, Place } from './survey-state.ts'
import { nameBlob } from './survey-state.ts'

/** A blob that a manifest needs. */
export interface Requirement {
  /** Bytes; undefined where the manifest does not say. */
  readonly size: number | undefined
  /** The manifest that needs it. */
  readonly manifest: Digest
}

export interface ManifestsFound {
  readonly required: ReadonlyMap<Digest, Requirement>
  /** Whether every manifest could be read, so that nothing else is needed. */
  readonly certain: boolean
}

/** Reads the manifests that the links lead to; tells what is wrong with them and what of an index is not here. */
export function surveyManifests(place: Place, revisions: LinkTable): ManifestsFound {
  const required = new Map<Digest, Requirement>()
  let certain = true
  for (const [digest, stored] of revisions) {
    const manifest = stored && surveyManifest(place, digest, stored)
    if (manifest === undefined) {
      certain = false
      continue
    }
    for (const blob of requiredBlobs(manifest)) {
      const said = manifest.kind === 'schema1' ? undefined : blob.size
      const before = required.get(blob.digest)
      // Where two disagree, neither is believed.
      const size = before === undefined || before.size === undefined || before.size === said ? said : undefined
      required.set(blob.digest, { size, manifest: digest })
    }
    reportSparse(place, digest, manifest, revisions)
  }
  return { required, certain }
}

function surveyManifest(place: Place, digest: Digest, stored: Digest): Manifest | undefined {
  const { state, name } = place
  const { layout, counts, done } = state
  const path = layout.revisionLink(name, digest)
  nameBlob(state, stored, name)
  const facts = findBlob(place, stored, path)
  const file = readManifestFile(layout, digest, stored)
  state.onRead(file.state === 'read' ? file.bytes.byteLength : 0)
  counts.manifests += 1
  if (file.state === 'read') {
    if (facts !== undefined && stored === digest && !done.has(stored)) {
      // Hashed here, so not once more with the other blobs.
      done.add(stored)
      counts.blobs += 1
    }
    return file.manifest
  }
  if (file.state === 'broken' && facts !== undefined) explain(place, digest, stored, file.why)
  return undefined
}

// The bytes are wrong, or they are right and the link is wrong about them, or they are no manifest.
function explain(place: Place, digest: Digest, stored: Digest, why: string): void {
  const { state, name } = place
  const path = state.layout.revisionLink(name, digest)
  if (!checkBlob(stateOf(place), stored)) return
  if (stored === digest) {
    place.report({
      kind: 'manifest-invalid',
      path: state.layout.blobData(stored),
      digest,
      what: `it is no manifest: ${why}`,
    })
  } else {
    const what = `it leads to ${stored}, whose bytes are not those of its path`
    place.report({ kind: 'link-wrong', role: 'revision', path, digest, target: stored, what })
  }
}

// The fault of a manifest's bytes is told once for each repository that needs it: all of them are looked at again when
// it is healed.
function stateOf(place: Place): Place['state'] {
  return { ...place.state, report: (fault) => place.report({ ...fault, repository: place.name }) }
}

function reportSparse(place: Place, digest: Digest, manifest: Manifest, revisions: LinkTable): void {
  const absent = manifest.manifests.filter((child) => !revisions.has(child.digest)).length
  if (absent === 0) return
  const what = `${absent} of ${manifest.manifests.length} manifests of the index are not in the repository`
  place.report({ kind: 'sparse-index', path: place.state.layout.revisionLink(place.name, digest), digest, what })
}
