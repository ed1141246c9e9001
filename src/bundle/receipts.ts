// What bundles did here, one small file for each under `.tarn/state/bundles`: which parts of it came, and which tags it
// set. An older bundle does not move a tag that a newer one set. Such files can come by tar from another data directory;
// all that one of them can do is to hold a tag back, which is told.
import { readFileSync, readdirSync } from 'node:fs'
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import type { BundleId, Layout } from '../storage/layout.ts'
import { childOf, isBundleId } from '../storage/layout.ts'
import { isNotThere } from '../storage/stamp.ts'
import type { Store } from '../storage/store.ts'
import { writeCanonicalJson } from './canonical-json.ts'

export const RECEIPT_FORMAT = 'tarn-receipt/1'

export interface SetTag {
  readonly repository: RepositoryName
  readonly tag: Tag
  readonly digest: Digest
}

export interface Receipt {
  readonly id: BundleId
  readonly sequence: number
  /** How many there are, and those that came. */
  readonly parts: number
  readonly applied: readonly number[]
  /** Whether all images of the bundle are here. */
  readonly complete: boolean
  /** When it was applied last: RFC 3339. */
  readonly at: string
  /** The key that signed it; undefined when it is not signed. */
  readonly signedBy?: string | undefined
  /** What the bundle's tags meant when it was applied; those that were held back or wait are not among them. */
  readonly tags: readonly SetTag[]
}

const NAME = /^([0-9a-f]{64})\.receipt\.json$/

/** All receipts that can be read, by sequence. Synchronous. */
export function readReceipts(layout: Layout): Receipt[] {
  let names: string[]
  try {
    names = readdirSync(layout.bundles)
  } catch (error) {
    if (isNotThere(error)) return []
    throw error
  }
  return names
    .flatMap((name) => {
      const id = NAME.exec(name)?.[1] ?? ''
      const receipt = isBundleId(id) ? readReceipt(childOf(layout.bundles, name), id) : undefined
      return receipt === undefined ? [] : [receipt]
    })
    .toSorted((a, b) => a.sequence - b.sequence)
}

/** The receipt of one bundle; undefined when it never came, or its file is torn. */
export function findReceipt(layout: Layout, id: BundleId): Receipt | undefined {
  return readReceipt(layout.bundleReceipt(id), id)
}

/** Writes the receipt, in the place of an earlier one of the same bundle. */
export async function writeReceipt({ layout, durable }: Store, receipt: Receipt): Promise<void> {
  const { signedBy, ...facts } = receipt
  const tags = receipt.tags.map(({ repository, tag, digest }) => ({ repository, tag, digest }))
  const bytes = writeCanonicalJson({
    format: RECEIPT_FORMAT,
    ...facts,
    ...(signedBy !== undefined && { signedBy }),
    tags,
  })
  await durable.writeSmall('link', layout.bundleReceipt(receipt.id), bytes)
}

function readReceipt(path: string, id: BundleId): Receipt | undefined {
  try {
    return parseReceipt(JSON.parse(readFileSync(path, 'utf8')) as Readonly<Record<string, unknown>>, id)
  } catch (error) {
    // A file that says nothing holds nothing back.
    if (error instanceof SyntaxError || error instanceof TypeError || isNotThere(error)) return undefined
    throw error
  }
}

function parseReceipt(value: Readonly<Record<string, unknown>>, id: BundleId): Receipt | undefined {
  const { format, sequence, parts, applied, complete, at, signedBy, tags } = value
  if (format !== RECEIPT_FORMAT || value['id'] !== id) return undefined
  if (!isCount(sequence) || !isCount(parts) || !Array.isArray(applied) || !Array.isArray(tags)) return undefined
  return {
    id,
    sequence,
    parts,
    applied: applied.filter(isCount),
    complete: complete === true,
    at: typeof at === 'string' ? at : '',
    ...(typeof signedBy === 'string' && { signedBy }),
    tags: tags.flatMap((one) => readSetTag(one as Readonly<Record<string, unknown>>)),
  }
}

function readSetTag({ repository, tag, digest }: Readonly<Record<string, unknown>>): SetTag[] {
  const isWhole =
    typeof repository === 'string' &&
    isRepositoryName(repository) &&
    typeof tag === 'string' &&
    isTag(tag) &&
    typeof digest === 'string' &&
    isDigest(digest)
  return isWhole ? [{ repository, tag, digest }] : []
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}
