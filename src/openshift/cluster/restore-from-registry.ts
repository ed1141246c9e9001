// A registry as a place from which lost images can be had again: asked for each of them, under the name that the cluster has
// for it and under those that mirrors give it.
import type { ImageSource } from '../../config/image-source.ts'
import { formatImageSource, parseImageSource } from '../../config/image-source.ts'
import type { RepositoryName } from '../../oci/name.ts'
import { isRepositoryName } from '../../oci/name.ts'
import type { Reference } from '../../oci/reference.ts'
import { UpstreamError } from '../../upstream/upstream-error.ts'
import type { LostImage, RestorePlace } from './restore-place.ts'

/** Whether the repository of a registry has the manifest. Throws an UpstreamError when that cannot be said. */
export type AskRegistry = (host: string, repository: RepositoryName, reference: Reference) => Promise<boolean>

export interface NamedRegistry {
  /** As it was given. */
  readonly text: string
  readonly host: string
  /** What stands behind the host: a repository, or what all names there begin with; '' for nothing. */
  readonly path: string
}

/** Opens no connection. */
export function openRegistryPlace({ text, host, path }: NamedRegistry, ask: AskRegistry): RestorePlace {
  // Of one that does not answer nothing more is asked.
  let silent: string | undefined
  const isIn = async (repository: RepositoryName, image: ImageSource | undefined): Promise<boolean> => {
    const reference = image && referenceOf(image)
    return reference !== undefined && ask(host, repository, reference)
  }
  /** What to bring from there: the release of a component, where that lies beside it, as mirrors keep it. */
  const choose = async ({ image, release }: LostImage, found: RepositoryName): Promise<string> => {
    const [own, whole] = [parseImageSource(image), release === undefined ? undefined : parseImageSource(release)]
    const isHome = own?.host === host && own.repository === found
    if (release !== undefined && (isHome || (await isIn(found, whole)))) {
      return `release mirror ${isHome ? release : formatImageSource({ ...whole, host, repository: found })}`
    }
    return `sync ${formatImageSource({ ...own, host, repository: found })}`
  }
  return {
    text,
    kind: 'registry',
    async look(lost) {
      const to = lost.repositories[0] ?? 'REPOSITORY'
      const usual =
        lost.release === undefined ? `tarn sync ${lost.image} ${to}` : `tarn release mirror ${lost.release} ${to}`
      if (silent !== undefined) return { has: undefined, why: silent, command: usual }
      try {
        for (const repository of candidatesFor(lost, host, path)) {
          if (
            await isIn(repository, {
              ...parseImageSource(lost.image),
              host,
              ...(lost.digest && { digest: lost.digest }),
            })
          )
            return { has: true, command: `tarn ${await choose(lost, repository)} ${to}` }
        }
        return { has: false, command: usual }
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error
        silent = error.message
        return { has: undefined, why: silent, command: usual }
      }
    },
  }
}

/** Where it may lie there: under its own name, as it lies here, or with its registry in front. */
function candidatesFor({ image, repositories }: LostImage, host: string, path: string): RepositoryName[] {
  const own = parseImageSource(image)
  if (own?.repository === undefined) return []
  if (own.host === host && path === '') return [own.repository]
  const names = [own.repository, ...repositories, `${own.host.replaceAll(':', '_')}/${own.repository}`]
  const below = path === '' ? names : [path, ...names.map((name) => `${path}/${name}`)]
  return [...new Set(below)].filter(isRepositoryName)
}

function referenceOf({ tag, digest }: ImageSource): Reference | undefined {
  if (digest !== undefined) return { kind: 'digest', digest }
  return tag === undefined ? undefined : { kind: 'tag', tag }
}
