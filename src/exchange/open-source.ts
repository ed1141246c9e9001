// Opens what a person named as a place to read images from.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Problem } from '../config/problem.ts'
import type { RepositoryName } from '../oci/name.ts'
import { findDataTree } from './data-tree.ts'
import { dirSource } from './dir-source.ts'
import { distributionSource } from './distribution-source.ts'
import { dockerSource } from './docker-source.ts'
import type { FileTree } from './file-tree.ts'
import { UnreadableTree } from './file-tree.ts'
import type { ImageSource } from './image-source.ts'
import { isOciLayout, ociSource } from './oci-source.ts'
import { openTree } from './open-tree.ts'
import type { Place } from './place.ts'
import type { BesideSignature } from './read-signatures.ts'
import { readSignaturesBeside } from './read-signatures.ts'
import type { TarTreeOptions } from './tar-tree.ts'

export interface OpenedSource {
  readonly source: ImageSource
  readonly signatures: readonly BesideSignature[]
  /** Repositories whose tags were lost on the way here. */
  readonly untagged: readonly RepositoryName[]
  /** Whether it may lack what an earlier one of its kind had. */
  readonly partial: boolean
}

const SEGMENT = /^mirror_(?:seq\d+_)?\d{6}\.tar$/

/** Throws a Problem, or an UnreadableTree that names the file. */
export async function openSource(place: Place, options: TarTreeOptions = {}): Promise<OpenedSource> {
  const nothing = { signatures: [], untagged: [], partial: false }
  const trees = await openTrees(place, options)
  try {
    const [tree] = trees
    if (tree === undefined) throw new Problem(`there is no ${place.path}`, { hint: 'check the path' })
    switch (place.kind) {
      case 'data':
        return { ...nothing, source: await distributionSource(trees, place.text) }
      case 'oc-mirror':
        return {
          ...nothing,
          source: await distributionSource(trees, place.text),
          signatures: await readAll(trees),
          partial: true,
        }
      case 'dir': {
        const source = await dirSource(tree, place.text)
        return { ...nothing, source, signatures: await readAll(trees), untagged: source.untagged }
      }
      case 'docker-archive':
        // docker from 25 on writes both; what the layout holds are the real manifests.
        return { ...nothing, source: await ((await isOciLayout(tree)) ? ociSource : dockerSource)(tree, place.text) }
      default:
        return { ...nothing, source: await ociSource(tree, place.text) }
    }
  } catch (error) {
    for (const tree of trees) await tree.close()
    throw error
  }
}

async function readAll(trees: readonly FileTree[]): Promise<readonly BesideSignature[]> {
  const found = await Promise.all(trees.map((tree) => readSignaturesBeside(tree)))
  return found.flat()
}

async function openTrees({ kind, path }: Place, options: TarTreeOptions): Promise<readonly FileTree[]> {
  const segments = kind === 'oc-mirror' ? await findSegments(path) : undefined
  if (segments === undefined) {
    const tree = await openTree(path, options)
    return [kind === 'data' ? await findDataTree(tree) : tree]
  }
  const trees: FileTree[] = []
  try {
    for (const segment of segments) trees.push(await openTree(segment, options))
  } catch (error) {
    for (const tree of trees) await tree.close()
    throw error
  }
  return trees
}

/** The archives in a directory, in their order; undefined for a file, and for a directory that is unpacked. */
async function findSegments(path: string): Promise<readonly string[] | undefined> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory() !== true) return undefined
  const names = (await readdir(path)).filter((name) => SEGMENT.test(name)).toSorted()
  if (names.length > 0) return names.map((name) => join(path, name))
  if (await stat(join(path, 'docker')).catch(() => undefined)) return undefined
  throw new UnreadableTree(`${path} has no archives of oc-mirror: mirror_000001.tar and so on`)
}
