// One repository against itself and the blobs: each link against its path, each manifest's closure, each tag against its
// history. In the thread of the survey; read-only.
import type { Digest } from '../../oci/digest.ts'
import { algorithmOf, joinDigest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'
import type { FoundLink, FoundRepository } from '../read-repository.ts'
import { readRepository } from '../read-repository.ts'
import type { WalkReport } from '../walk.ts'
import type { LinkRole } from './fault.ts'
import { findBlob } from './find-blob.ts'
import { judgeTag } from './judge-tag.ts'
import { surveyLayers } from './survey-layers.ts'
import { surveyManifests } from './survey-manifests.ts'
import type { LinkTable, Place, SurveyState } from './survey-state.ts'

/** Reads the repository and tells what is wrong in it. */
export function surveyRepository(state: SurveyState, name: RepositoryName): void {
  const told = new Set<string>()
  const place: Place = {
    state,
    name,
    report(fault) {
      if (told.has(fault.path)) return
      told.add(fault.path)
      state.report({ repository: name, ...fault })
    },
  }
  state.counts.repositories += 1
  const { found, unreadable } = readAll(place)
  if (found.hasLayers !== found.hasManifests) {
    const what = `it has no ${found.hasLayers ? '_manifests' : '_layers'} directory, which collectors of registry:2 and 3 want`
    place.report({ kind: 'incomplete-repository', path: state.layout.repository(name), what })
  }
  const layers = checkLinks(place, 'layer', found.layers, unreadable.layer)
  const revisions = checkLinks(place, 'revision', found.revisions, unreadable.revision)
  const { required, certain } = surveyManifests(place, revisions)
  surveyLayers(place, layers, required, certain && !found.unreadable)
  surveyTags(place, found, revisions, unreadable.history)
}

interface UnreadableLink {
  readonly digest: Digest
  readonly path: string
  readonly what: string
}

// A link that the disk does not give is told with its role, so that it can be written anew.
function readAll(place: Place): { found: FoundRepository; unreadable: Record<LinkRole, UnreadableLink[]> } {
  const { layout } = place.state
  const unreadable: Record<LinkRole, UnreadableLink[]> = { layer: [], revision: [], history: [] }
  const root = layout.repository(place.name)
  const walk: WalkReport = {
    onStray: (path) => place.state.walk.onStray(path),
    onUnreadable(path, error) {
      const { code = error.message } = error as NodeJS.ErrnoException
      const what = `it cannot be read: ${code}`
      const [, top, below = '', algorithm = '', hex = ''] = LINK.exec(path.slice(root.length + 1)) ?? []
      const digest = joinDigest(algorithm, hex)
      if (digest !== undefined) unreadable[roleOf(top, below)].push({ digest, path, what })
      else if (!path.endsWith('/current/link')) place.report({ kind: 'unreadable', path, what })
    },
  }
  return { found: readRepository(layout, place.name, walk), unreadable }
}

const LINK = /^(_layers|_manifests)\/(?:(revisions|tags\/[^/]+\/index)\/)?(sha256|sha512)\/([0-9a-f]+)\/link$/

function roleOf(top: string | undefined, below: string): LinkRole {
  if (top === '_layers') return 'layer'
  return below === 'revisions' ? 'revision' : 'history'
}

function checkLinks(
  place: Place,
  role: 'layer' | 'revision',
  links: readonly FoundLink[],
  unreadable: readonly UnreadableLink[],
): LinkTable {
  const { layout } = place.state
  const table = new Map<Digest, Digest | undefined>()
  const pathOf = (digest: Digest): string =>
    role === 'layer' ? layout.layerLink(place.name, digest) : layout.revisionLink(place.name, digest)
  for (const { digest, path, what } of unreadable) {
    table.set(digest, undefined)
    place.report({ kind: 'link-wrong', role, path, digest, what })
  }
  for (const { digest, target } of links) {
    place.state.counts.links += 1
    const isRight = target !== undefined && (target === digest || algorithmOf(target) !== algorithmOf(digest))
    table.set(digest, isRight ? target : undefined)
    if (isRight) continue
    const what = target === undefined ? 'it holds no digest' : `it leads to ${target} and not to what its path says`
    place.report({ kind: 'link-wrong', role, path: pathOf(digest), digest, target, what })
  }
  return table
}

function surveyTags(
  place: Place,
  found: FoundRepository,
  revisions: LinkTable,
  unreadable: readonly UnreadableLink[],
): void {
  const { layout, counts } = place.state
  for (const entry of found.tags) {
    const { tag } = entry
    counts.links += 1 + entry.history.length
    const history = new Set(entry.history.map(({ digest }) => digest))
    for (const { digest, target } of entry.history) {
      if (target === digest) continue
      const path = layout.tagIndexLink(place.name, tag, digest)
      const what = target === undefined ? 'it holds no digest' : `it leads to ${target} and not to what its path says`
      place.report({ kind: 'link-wrong', role: 'history', path, tag, digest, target, what })
    }
    for (const { digest, path, what } of unreadable) {
      if (path !== layout.tagIndexLink(place.name, tag, digest)) continue
      history.add(digest)
      place.report({ kind: 'link-wrong', role: 'history', path, tag, digest, what })
    }
    const judgement = judgeTag(entry, history, (digest) => revisions.has(digest))
    if (judgement.state === 'wrong') {
      const { target, what } = judgement
      place.report({ kind: 'tag-wrong', path: layout.tagLink(place.name, tag), tag, target, what })
    } else if (judgement.state === 'revision missing') {
      reportLostRevision(place, entry.tag, judgement.target)
    }
  }
}

// What the manifest needs is not looked at here: once its link is there again, the repository is surveyed again.
function reportLostRevision(place: Place, tag: Tag, digest: Digest): void {
  const { layout } = place.state
  const path = layout.revisionLink(place.name, digest)
  const witness = layout.tagLink(place.name, tag)
  const what = `the tag ${tag} points to this manifest, which the repository does not hold`
  place.report({ kind: 'link-missing', role: 'revision', path, tag, digest, witness, what })
  findBlob(place, digest, witness)
}
