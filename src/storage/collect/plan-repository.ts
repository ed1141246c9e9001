// What a sweep is to do in one repository, out of what was found and judged there. Reads only; synchronous.
import type { Layout } from '../layout.ts'
import type { FoundRepository } from '../read-repository.ts'
import type { WalkReport } from '../walk.ts'
import type { EmptyDirectory, IsYoung } from './leftovers.ts'
import { findDeadTag, findEmptyRepository } from './leftovers.ts'
import type { Judgement } from './mark.ts'
import type { RepositoryPlan } from './survey-result.ts'
import { writePlannedLink } from './survey-result.ts'

export interface PlanParts {
  readonly layout: Layout
  readonly isYoung: IsYoung
  readonly report: WalkReport
  /** Directories of links that are not there any more. */
  readonly leftovers: readonly EmptyDirectory[]
}

/** The plan without what the repository holds; undefined when there is nothing to do. */
export function planRepository(
  parts: PlanParts,
  found: FoundRepository,
  judgement: Judgement,
): Omit<RepositoryPlan, 'holds'> | undefined {
  const { manifests, links, history } = judgement
  const emptied = findEmptied(parts, found, judgement)
  const directories = emptied ?? [...parts.leftovers, ...findDeadTags(parts, found, judgement)]
  if (manifests.length + links.length + history.length + directories.length === 0) return undefined
  return {
    name: found.name,
    tags: found.tags.map(({ tag, target }) => [tag, target]),
    revisions: found.revisions.map(({ digest }) => digest),
    manifests: manifests.map((link) => writePlannedLink({ ...link, leadsTo: link.subject, tag: undefined })),
    links: [
      ...history.map(([tag, link]) => writePlannedLink({ ...link, leadsTo: link.target, tag })),
      ...links.map((link) => writePlannedLink({ ...link, leadsTo: link.target, tag: undefined })),
    ],
    directories,
    removed: emptied !== undefined,
  }
}

function findEmptied(
  { layout, isYoung, report }: PlanParts,
  { name, layers, revisions, tags, uploads }: FoundRepository,
  { manifests, links, history }: Judgement,
): EmptyDirectory[] | undefined {
  const past = tags.reduce((count, tag) => count + tag.history.length, 0)
  const isLeft =
    uploads.length > 0 ||
    tags.some(({ target }) => target !== undefined) ||
    revisions.length > manifests.length ||
    layers.length > links.length ||
    past > history.length
  if (isLeft) return undefined
  const goes = new Set([
    ...manifests.map(({ digest }) => layout.revisionLink(name, digest)),
    ...links.map(({ digest }) => layout.layerLink(name, digest)),
    ...history.map(([tag, { digest }]) => layout.tagIndexLink(name, tag, digest)),
  ])
  return findEmptyRepository(layout, name, goes, isYoung, report)
}

function findDeadTags(
  { layout, isYoung }: PlanParts,
  { name, tags }: FoundRepository,
  { history }: Judgement,
): EmptyDirectory[] {
  return tags
    .filter(({ target }) => target === undefined)
    .filter((dead) => dead.history.length === history.filter(([tag]) => tag === dead.tag).length)
    .flatMap(({ tag }) => findDeadTag(layout, name, tag, isYoung))
}
