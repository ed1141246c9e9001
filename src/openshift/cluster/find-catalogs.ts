// Catalogs of operators that lie here: images whose configuration says that they are one. Synchronous, for commands.
import { readFileSync } from 'node:fs'
import type { RepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Layout } from '../../storage/layout.ts'
import { readManifestFile } from '../../storage/read-manifest-file.ts'
import { readTag } from '../../storage/read-repository.ts'
import { isTag } from '../../oci/reference.ts'
import { statFile } from '../../storage/stamp.ts'
import type { WalkReport } from '../../storage/walk.ts'
import { readEntries, walkRepositories } from '../../storage/walk.ts'
import { isObject } from './objects.ts'

export interface FoundCatalog {
  readonly repository: RepositoryName
  readonly tag: Tag
}

// The directory of a file-based catalog, and the database of one from before.
const LABELS = ['operators.operatorframework.io.index.configs.v1', 'operators.operatorframework.io.index.database.v1']
const MOST_CONFIG_BYTES = 4 * 1024 * 1024
const DEEPEST = 3

const NOTHING: WalkReport = { onStray: () => undefined, onUnreadable: () => undefined }

/** Every tagged image that is a catalog, in the order of names. Only configurations of images are read. */
export function findCatalogs(layout: Layout): FoundCatalog[] {
  const known = new Map<Digest, boolean>()
  const found: FoundCatalog[] = []
  for (const repository of walkRepositories(layout, NOTHING)) {
    for (const { name: tag } of readEntries(layout.tags(repository), NOTHING)) {
      if (!isTag(tag)) continue
      const { target } = readTag(layout, repository, tag, NOTHING)
      if (target === undefined) continue
      const is = known.get(target) ?? isCatalog(layout, target, 0)
      known.set(target, is)
      if (is) found.push({ repository, tag })
    }
  }
  return found
}

/** By the labels of its configuration; of an index those of its first image that is here. */
function isCatalog(layout: Layout, digest: Digest, depth: number): boolean {
  const labels = readLabels(layout, digest, depth)
  return labels !== undefined && LABELS.some((label) => label in labels)
}

/** The labels of an image; undefined where its configuration is not here. */
export function readLabels(layout: Layout, digest: Digest, depth = 0): Readonly<Record<string, unknown>> | undefined {
  const file = readManifestFile(layout, digest)
  if (file.state !== 'read') return undefined
  const { config, manifests } = file.manifest
  if (config === undefined) {
    if (depth >= DEEPEST) return undefined
    for (const child of manifests) {
      const labels = readLabels(layout, child.digest, depth + 1)
      if (labels !== undefined) return labels
    }
    return undefined
  }
  const path = layout.blobData(config.digest)
  const facts = statFile(path)
  if (facts === undefined || facts.size > MOST_CONFIG_BYTES) return undefined
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    const inner = isObject(value) ? value['config'] : undefined
    const labels = isObject(inner) ? inner['Labels'] : undefined
    return isObject(labels) ? labels : {}
  } catch {
    return undefined
  }
}
