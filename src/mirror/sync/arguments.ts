// One image on the command line, without a sync file: `SOURCE` or `SOURCE DEST`. It means what an entry with the same
// words means.
import type { ImageSource } from '../../config/image-source.ts'
import { formatImageSource, parseImageSource } from '../../config/image-source.ts'
import { Problem } from '../../config/problem.ts'
import type { SyncEntry } from '../../config/sync-file.ts'
import { ALL_TAGS } from '../../config/sync-file.ts'
import type { RepositoryName } from '../../oci/name.ts'
import { isRepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'
import { isTag } from '../../oci/reference.ts'

export type ArgumentOptions = Partial<Pick<SyncEntry, 'platforms' | 'referrers'>>

/**
 * The entry for `source`, an image with its registry and a tag or a digest, and `destination`, a repository of this
 * registry with or without a tag (without, the source's tag). Throws a Problem that says how to write it.
 */
export function readArguments(
  source: string,
  destination: string | undefined,
  { platforms = 'all', referrers = true }: ArgumentOptions = {},
): SyncEntry {
  return {
    source: readSource(source),
    ...(destination === undefined ? {} : readDestination(destination)),
    repositories: [],
    tags: ALL_TAGS,
    platforms,
    referrers,
    schedule: 'off',
    catchUp: true,
    windows: [],
    onlySigned: false,
  }
}

function readSource(text: string): ImageSource {
  const source = parseImageSource(text)
  if (source === undefined) {
    // What Docker would take, and what a person most likely means.
    const short = text.includes('/') ? `docker.io/${text}` : `docker.io/library/${text}`
    const meant = parseImageSource(short)?.repository === undefined ? 'quay.io/org/app:v1' : short
    throw new Problem(`${JSON.stringify(text)} is no image with the name of its registry`, {
      hint: `write it whole, such as ${meant}`,
      exitCode: 2,
    })
  }
  if (source.repository === undefined) {
    throw new Problem(`${text} is a registry, not an image`, {
      hint: 'write an image; whole registries and repositories are for a sync file',
      exitCode: 2,
    })
  }
  if (source.tag === undefined && source.digest === undefined) {
    throw new Problem(`${text} does not say which image of the repository`, {
      hint: `write a tag, such as ${formatImageSource({ ...source, tag: 'latest' as Tag })}; for many tags write a sync file`,
      exitCode: 2,
    })
  }
  return source
}

function readDestination(text: string): { readonly to: RepositoryName; readonly tag?: Tag } {
  const [, name = '', tag] = /^([^:@]*)(?::([^:@/]*))?$/u.exec(text) ?? []
  if (isRepositoryName(name) && (tag === undefined || isTag(tag)))
    return { to: name, ...(tag !== undefined && { tag }) }
  throw new Problem(`${JSON.stringify(text)} is no repository of this registry`, {
    hint: 'write REPOSITORY or REPOSITORY:TAG, such as library/alpine:3.20, without the name of this registry',
    exitCode: 2,
  })
}
