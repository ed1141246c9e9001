// What the far side is known to have: inventories that it wrote, and bundles that it was given before.
import { readFileSync, statSync } from 'node:fs'
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { BuildsOn, BundleIndex } from './bundle-index.ts'
import { BUNDLE_FORMAT } from './bundle-index.ts'
import { readFirstBytes } from './first-bytes.ts'
import { LARGEST_INDEX, parseIndex } from './index-file.ts'
import type { InventoryRepository } from './inventory.ts'
import { LARGEST_INVENTORY, parseInventory } from './inventory.ts'
import type { PickedImage } from './picked.ts'
import { BLOCK } from './tar-header.ts'

export interface Against {
  /** What it has, with the bytes that each has there; a size that no blob has where those who say it disagree. */
  readonly known: ReadonlyMap<Digest, number>
  readonly buildsOn: readonly BuildsOn[]
  /** Whether the far side has the image under exactly its tags: all that mention one of these tags must say so. */
  readonly hasImage: (repository: RepositoryName, image: Pick<PickedImage, 'digest' | 'tags'>) => boolean
  /** The highest sequence that the far side has seen; 0 where none says. */
  readonly sequence: number
}

const OPEN_BRACE = 0x7b
/** Who is told two sizes can rely on neither. */
const DISPUTED = -1
const INDEX_NAME = /^data\/\.tarn\/state\/bundles\/[0-9a-f]{64}\.json$/

/** Reads inventories and bundles (or their indexes). Throws a Problem that names the file which is neither. */
export async function readAgainst(paths: readonly string[]): Promise<Against> {
  const known = new Map<Digest, number>()
  const buildsOn: BuildsOn[] = []
  const manifests = new Set<string>()
  const tags = new Map<string, Set<Digest>>()
  for (const path of paths) {
    try {
      const one = await readOne(path)
      for (const { digest, size } of one.blobs)
        known.set(digest, (known.get(digest) ?? size) === size ? size : DISPUTED)
      buildsOn.push(one.as)
      for (const repository of one.repositories) {
        for (const digest of repository.manifests) manifests.add(`${repository.name}@${digest}`)
        for (const { tag, digest } of repository.tags) {
          const key = `${repository.name}:${tag}`
          tags.set(key, (tags.get(key) ?? new Set<Digest>()).add(digest))
        }
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      throw new Problem(`${path} tells nothing of the far side: ${error.message}`, {
        hint: 'name the file of tarn bundle inventory, or an earlier bundle',
        exitCode: 2,
        cause: error,
      })
    }
  }
  const means = (key: string, digest: Digest): boolean => {
    const said = tags.get(key)
    return said?.size === 1 && said.has(digest)
  }
  const hasImage: Against['hasImage'] = (repository, { digest, tags: own }) =>
    manifests.has(`${repository}@${digest}`) && own.every((tag) => means(`${repository}:${tag}`, digest))
  return { known, buildsOn, hasImage, sequence: buildsOn.reduce((highest, one) => Math.max(highest, one.sequence), 0) }
}

interface Known {
  readonly as: BuildsOn
  readonly blobs: readonly { readonly digest: Digest; readonly size: number }[]
  readonly repositories: readonly InventoryRepository[]
}

async function readOne(path: string): Promise<Known> {
  const first = await readFirstBytes(path, BLOCK)
  if (first[0] !== OPEN_BRACE) return asBundle(await readBundleIndex(path, first))
  if (statSync(path).size > LARGEST_INVENTORY) throw new Problem('it is too large')
  const bytes = readFileSync(path)
  // Keys are sorted: the format of a bundle's index comes behind its blobs.
  if (bytes.includes(`"format":"${BUNDLE_FORMAT}"`)) return asBundle(parseIndex(bytes))
  const inventory = parseInventory(bytes)
  const { id, sequence, blobs, repositories } = inventory
  return { as: { kind: 'inventory', id, sequence }, blobs, repositories }
}

// What it needs and does not carry was there before it.
function asBundle({ id, sequence, blobs, repositories }: BundleIndex): Known {
  const digestsAt = (places: readonly number[]): Digest[] => places.flatMap((place) => blobs[place]?.digest ?? [])
  return {
    as: { kind: 'bundle', id, sequence },
    blobs,
    repositories: repositories.map(({ name, manifests, images }) => ({
      name,
      manifests: digestsAt(manifests),
      tags: images.flatMap(({ manifest, tags }) =>
        digestsAt([manifest]).flatMap((digest) => tags.map((tag) => ({ tag, digest }))),
      ),
    })),
  }
}

/** The index with which a bundle's file begins; `first` is its first block. */
async function readBundleIndex(path: string, first: Buffer): Promise<BundleIndex> {
  const name = first.toString('latin1', 0, 100).replace(/\0.*$/s, '')
  const size = Number.parseInt(first.toString('latin1', 124, 136), 8)
  if (!INDEX_NAME.test(name) || !(size <= LARGEST_INDEX))
    throw new Problem('it does not begin with the index of a bundle')
  const bytes = await readFirstBytes(path, BLOCK + size)
  return parseIndex(bytes.subarray(BLOCK))
}
