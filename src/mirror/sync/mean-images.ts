// The images that an entry of a sync file means in one repository of its upstream. Pure: the tags of the repository come in.
import { formatImageSource } from '../../config/image-source.ts'
import type { SyncEntry } from '../../config/sync-file.ts'
import { compileGlob } from '../../oci/glob.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Reference, Tag } from '../../oci/reference.ts'
import { isTag } from '../../oci/reference.ts'
import type { MeantImage, UnreadImage } from './plan.ts'
import type { Selection } from './select-tags.ts'

export interface Meaning {
  /** To be asked for by `reference`. */
  readonly images: readonly { readonly image: MeantImage; readonly reference: Reference }[]
  /** Tags that the entry names and the upstream does not have. */
  readonly absent: readonly UnreadImage[]
}

/** The one image that the entry's source names, to lie in `to`; undefined when it names a repository or more. */
export function meanOne({ source, tag, platforms }: SyncEntry, to: RepositoryName): Meaning | undefined {
  const { digest } = source
  const from = formatImageSource(source)
  // Without a tag of its own it keeps the one that it has there.
  const own = tag ?? source.tag
  const image = { from, to, platforms, ...(own !== undefined && { tag: own }) }
  if (digest !== undefined) return { images: [{ image, reference: { kind: 'digest', digest } }], absent: [] }
  if (source.tag === undefined) return undefined
  return { images: [{ image, reference: { kind: 'tag', tag: source.tag } }], absent: [] }
}

/** The images of the tags that were chosen of `repository`, each under the tag that it has there. */
export function meanTags(
  { source, platforms }: SyncEntry,
  repository: RepositoryName,
  to: RepositoryName,
  { chosen, missing }: Selection,
): Meaning {
  const mean = (tag: Tag): MeantImage => ({
    from: formatImageSource({ host: source.host, repository, tag }),
    to,
    tag,
    platforms,
  })
  return {
    images: chosen.map((tag) => ({ image: mean(tag), reference: { kind: 'tag', tag } })),
    absent: missing.filter(isTag).map((tag) => ({ ...mean(tag), why: `${source.host} has no such tag` })),
  }
}

/** The repositories of a whole registry that the entry means; all of them when it says nothing. */
export function meanRepositories(
  { repositories }: Pick<SyncEntry, 'repositories'>,
  listed: readonly RepositoryName[],
): RepositoryName[] {
  const globs = repositories.map(compileGlob)
  return listed.filter((name) => globs.length === 0 || globs.some((matches) => matches(name)))
}
