// The layer links of one repository against its manifests and the blobs. In the thread of the survey.
import type { Digest } from '../../oci/digest.ts'
import { checkBlob } from './check-blob.ts'
import type { Fault } from './fault.ts'
import { findBlob } from './find-blob.ts'
import type { ManifestsFound } from './survey-manifests.ts'
import type { LinkTable, Place } from './survey-state.ts'
import { nameBlob } from './survey-state.ts'

/**
 * Tells links and blobs that manifests need and that are not here, and links that lead nowhere. `certain` says that
 * `required` is all that the repository needs.
 */
export function surveyLayers(
  place: Place,
  layers: LinkTable,
  required: ManifestsFound['required'],
  certain: boolean,
): void {
  const { state, name } = place
  const { layout } = state
  for (const [digest, { size, manifest }] of required) {
    const stored = layers.get(digest)
    const witness = layout.revisionLink(name, manifest)
    if (!layers.has(digest)) {
      const what = `the manifest ${manifest} needs the blob, and the repository has no link to it`
      place.report({ kind: 'link-missing', role: 'layer', path: layout.layerLink(name, digest), digest, witness, what })
    }
    const facts = findBlob(place, stored ?? digest, witness, size)
    if (facts === undefined) continue
    const named = nameBlob(state, stored ?? digest, name, size)
    if (size === undefined || facts.size === size || named.note !== undefined) continue
    // The blob is cut short, or the manifest is wrong about it: only its bytes can tell.
    named.note = describeSize(place, stored ?? digest, manifest, size, facts.size)
    if (state.fast) checkBlob(state, stored ?? digest)
  }
  for (const [digest, stored] of layers) {
    if (stored === undefined) continue
    const path = layout.layerLink(name, digest)
    const named = nameBlob(state, stored, name)
    if (stored !== digest) (named.aliases ??= []).push({ digest, repository: name, path })
    if (!required.has(digest)) findUnneeded(place, digest, stored, certain)
  }
}

function findUnneeded(place: Place, digest: Digest, stored: Digest, certain: boolean): void {
  const path = place.state.layout.layerLink(place.name, digest)
  const told: Place = {
    ...place,
    report(fault) {
      if (fault.kind !== 'blob-missing') return place.report(fault)
      const what = `it leads to ${stored}, which is not here, and no manifest needs it`
      place.report({ kind: 'link-dangling', role: 'layer', path, digest: stored, target: stored, certain, what })
    },
  }
  findBlob(told, stored, path)
}

function describeSize(place: Place, stored: Digest, manifest: Digest, said: number, size: number): Fault {
  const path = place.state.layout.blobData(stored)
  const what = `it has ${size} bytes, and the manifest ${manifest} says ${said}`
  return { kind: 'wrong-size', path, digest: stored, repository: place.name, what }
}
