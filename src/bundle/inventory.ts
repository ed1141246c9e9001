// What a registry has, as a small file that travels to where bundles are made (docs/formats/bundle.md, "Inventory").
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import { compare } from '../storage/repositories.ts'
import type { BundleId, Layout } from '../storage/layout.ts'
import { isBundleId } from '../storage/layout.ts'
import { readRepository } from '../storage/read-repository.ts'
import { isNotThere, statFile } from '../storage/stamp.ts'
import type { WalkReport } from '../storage/walk.ts'
import { walkRepositories } from '../storage/walk.ts'
import { writeCanonicalJson } from './canonical-json.ts'
import { readReceipts } from './receipts.ts'
import { makeFlaw } from './flaw.ts'
import { LARGEST_INDEX, parseIndex } from './index-file.ts'
import {
  allowOnly,
  checkForm,
  parseDocument,
  placeOf,
  readDigestField,
  readForm,
  readList,
  readNumber,
  readObjects,
  readText,
} from './json-fields.ts'

export const INVENTORY_FORMAT = 'tarn-inventory/1'
/** Bytes: of a registry of a million blobs, five times what one bundle carries. */
export const LARGEST_INVENTORY = 160 * 1024 * 1024
const MOST_VALUES = 8_000_000

export interface Inventory {
  readonly id: BundleId
  /** The highest of the bundles; 0 where there was none. */
  readonly sequence: number
  readonly bundles: readonly { readonly id: BundleId; readonly sequence: number }[]
  /** By digest; sizes in bytes. */
  readonly blobs: readonly { readonly digest: Digest; readonly size: number }[]
  /** By name: the manifests that it holds, and what its tags mean. */
  readonly repositories: readonly InventoryRepository[]
}

export interface InventoryRepository {
  readonly name: RepositoryName
  readonly manifests: readonly Digest[]
  /** By tag. */
  readonly tags: readonly { readonly tag: Tag; readonly digest: Digest }[]
}

/**
 * Takes the inventory of a data directory: what its repositories link and what is there under that very digest. Reads
 * links and sizes, no blob, synchronously. What cannot be read is told to `report` and counts as absent.
 */
export function takeInventory(layout: Layout, report: WalkReport): Inventory {
  const sizes = new Map<Digest, number>()
  const repositories: InventoryRepository[] = []
  for (const name of walkRepositories(layout, report)) {
    const { layers, revisions, tags } = readRepository(layout, name, report)
    const manifests = revisions.flatMap(({ digest, target }) => (target === digest ? [digest] : [])).toSorted(compare)
    const held = new Set(manifests)
    const meanings = tags
      .flatMap(({ tag, target }) => (target === undefined || !held.has(target) ? [] : [{ tag, digest: target }]))
      .toSorted((a, b) => compare(a.tag, b.tag))
    if (manifests.length > 0) repositories.push({ name, manifests, tags: meanings })
    for (const { digest, target } of [...layers, ...revisions]) {
      // The bytes of an alias lie under another digest than a bundle would look for.
      if (target !== digest || sizes.has(digest)) continue
      const facts = statFile(layout.blobData(digest))
      if (facts !== undefined) sizes.set(digest, facts.size)
    }
  }
  const blobs = [...sizes].map(([digest, size]) => ({ digest, size })).toSorted((a, b) => compare(a.digest, b.digest))
  const bundles = readBundles(layout)
  const sequence = bundles.reduce((highest, bundle) => Math.max(highest, bundle.sequence), 0)
  repositories.sort((a, b) => compare(a.name, b.name))
  return { id: computeId({ blobs, repositories }), sequence, bundles, blobs, repositories }
}

/** The bundles that were applied, and those that plain tar brought, which leave their index; by id. */
function readBundles(layout: Layout): Inventory['bundles'] {
  const sequences = new Map([...readIndexes(layout), ...readReceipts(layout)].map(({ id, sequence }) => [id, sequence]))
  return [...sequences].map(([id, sequence]) => ({ id, sequence })).toSorted((a, b) => compare(a.id, b.id))
}

function readIndexes(layout: Layout): Inventory['bundles'] {
  let files: string[]
  try {
    files = readdirSync(layout.bundles)
  } catch (error) {
    if (isNotThere(error)) return []
    throw error
  }
  return files.flatMap((file) => {
    const id = file.slice(0, -'.json'.length)
    if (!file.endsWith('.json') || !isBundleId(id)) return []
    const path = layout.bundleIndex(id)
    const facts = statFile(path)
    if (facts === undefined || facts.size > LARGEST_INDEX) return []
    try {
      return [{ id, sequence: parseIndex(readFileSync(path)).sequence }]
    } catch {
      // A tar brings anything.
      return []
    }
  })
}

export function writeInventory(inventory: Inventory): Buffer {
  return writeCanonicalJson({ format: INVENTORY_FORMAT, ...inventory })
}

/** Reads an inventory. Throws a flaw that says what is wrong with it. */
export function parseInventory(bytes: Uint8Array): Inventory {
  const top = parseDocument(bytes, 'the inventory', MOST_VALUES)
  const format = readText(top, 'format')
  if (format !== INVENTORY_FORMAT) {
    throw makeFlaw(`it is of the format ${JSON.stringify(format.slice(0, 64))}, and this is ${INVENTORY_FORMAT}`)
  }
  allowOnly(top, ['format', 'id', 'sequence', 'bundles', 'blobs', 'repositories'])
  const inventory: Inventory = {
    id: readForm(top, 'id', isBundleId, 'an id'),
    sequence: readNumber(top, 'sequence', 0, Number.MAX_SAFE_INTEGER),
    bundles: readObjects(top, 'bundles').map((fields) => ({
      id: readForm(fields, 'id', isBundleId, 'the id of a bundle'),
      sequence: readNumber(fields, 'sequence', 1, Number.MAX_SAFE_INTEGER),
    })),
    blobs: readObjects(top, 'blobs').map((fields) => ({
      digest: readDigestField(fields, 'digest'),
      size: readNumber(fields, 'size', 0, Number.MAX_SAFE_INTEGER),
    })),
    repositories: readObjects(top, 'repositories').map((fields) => ({
      name: readForm(fields, 'name', isRepositoryName, 'the name of a repository'),
      manifests: readList(fields, 'manifests').map((value) =>
        checkForm(value, placeOf(fields, 'manifests'), isDigest, 'a digest'),
      ),
      tags: readObjects(fields, 'tags').map((tag) => ({
        tag: readForm(tag, 'tag', isTag, 'a tag'),
        digest: readDigestField(tag, 'digest'),
      })),
    })),
  }
  // A file that was cut or edited would leave out what is not there, or carry what is.
  if (computeId(inventory) !== inventory.id) throw makeFlaw('the id of the inventory is not that of its content')
  return inventory
}

function computeId({ blobs, repositories }: Pick<Inventory, 'blobs' | 'repositories'>): BundleId {
  const hash = createHash('sha256')
  const lines = [
    ...blobs.map(({ digest, size }) => `blob ${digest} ${size}\n`),
    ...repositories.flatMap(({ name, manifests, tags }) => [
      ...manifests.map((digest) => `manifest ${name} ${digest}\n`),
      ...tags.map(({ tag, digest }) => `tag ${name} ${tag} ${digest}\n`),
    ]),
  ]
  for (const line of lines.toSorted()) hash.update(line)
  return hash.digest('hex') as BundleId
}
