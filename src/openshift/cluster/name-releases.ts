// The names that the images of a release have outside, by its own payload: not every release comes from quay.io. For commands.
import { Problem } from '../../config/problem.ts'
import { parseTag } from '../../oci/reference.ts'
import type { Layout } from '../../storage/layout.ts'
import { findPayload } from '../find-payload.ts'
import { sourceRepositories } from '../payload.ts'
import type { Found } from './find-mirrored.ts'
import { lookSource } from './look-source.ts'
import type { FoundRepository } from './mirror-pairs.ts'

// Where the components of a release lie, and its image beside them.
const BESIDE: readonly (readonly [components: RegExp, image: string])[] = [
  [/\/ocp-v4\.0-art-dev(?:-prev)?$/, '/ocp-release'],
  [/\/okd-content$/, '/okd'],
  [/\/scos-content$/, '/scos-release'],
  [/^(registry\.ci\.openshift\.org\/[a-z-]+)\/.*$/, '$1/release'],
]

/** `found` with the sources of renamed releases as the payload of the newest one in each repository says; else as they were. */
export async function nameReleases(layout: Layout, found: Found): Promise<Found> {
  const named: FoundRepository[] = []
  const done = new Set<string>()
  const renamed = found.repositories.filter(({ tags }) => !tags)
  for (const { repository, tag, components } of found.releases.toReversed()) {
    if (done.has(repository) || !renamed.some((each) => each.repository === repository)) continue
    const sources = await readSources(layout, repository, tag)
    if (sources === undefined) continue
    done.add(repository)
    const images = new Set(sources.map((source) => nameImage(source)).filter((source) => source !== undefined))
    const entry = { release: true, tags: false }
    named.push(
      ...[...images].map((source) => ({ source, repository, ...entry })),
      ...sources.map((source) => ({ source, repository: components, ...entry })),
    )
  }
  const isDone = ({ repository, tags }: FoundRepository): boolean =>
    !tags &&
    found.releases.some(
      (each) => done.has(each.repository) && [each.repository, each.components].some((name) => name === repository),
    )
  return { ...found, repositories: [...found.repositories.filter((each) => !isDone(each)), ...named] }
}

async function readSources(
  layout: Layout,
  repository: Found['releases'][number]['repository'],
  tag: string,
): Promise<string[] | undefined> {
  try {
    const reference = { kind: 'tag', tag: parseTag(tag) } as const
    const payload = await findPayload(lookSource(layout), { repository, reference }, `${repository}:${tag}`)
    return sourceRepositories(payload.components)
  } catch (error) {
    // It is damaged, or no release after all: then it goes by its tags.
    if (error instanceof Problem || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function nameImage(source: string): string | undefined {
  const [pattern, image] = BESIDE.find(([components]) => components.test(source)) ?? []
  return pattern === undefined || image === undefined ? undefined : source.replace(pattern, image)
}
