// The list of what refers to a manifest, as a registry without the referrers API has it: an index under the tag
// `sha256-<hex>` (distribution-spec "Referrers Tag Schema"). Nothing is ever taken out of one, and members that are not
// known here stay. Pure.
import { readManifest } from './manifest.ts'
import { OCI_INDEX } from './media-type.ts'

/** An entry, a descriptor with whatever else stands in it. */
export interface ListedReferrer {
  readonly digest: string
}

interface Index {
  readonly manifests: readonly ListedReferrer[]
}

const EMPTY: Index & Record<string, unknown> = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }

/** The entries as they are written; undefined for what is no index. */
export function listedReferrers(bytes: Uint8Array): readonly ListedReferrer[] | undefined {
  return parseIndex(bytes)?.manifests
}

/**
 * The list with these entries too, each once; undefined when all of them are in it already. Without `before` a new one.
 * What is no index counts as no list.
 */
export function addReferrers(before: Uint8Array | undefined, more: readonly ListedReferrer[]): Buffer | undefined {
  const index = (before && parseIndex(before)) ?? EMPTY
  const digests = new Set(index.manifests.map(({ digest }) => digest))
  const lacking = [...new Map(more.map((each) => [each.digest, each])).values()].filter(
    ({ digest }) => !digests.has(digest),
  )
  if (lacking.length === 0) return undefined
  return Buffer.from(JSON.stringify({ ...index, manifests: [...index.manifests, ...lacking] }))
}

function parseIndex(bytes: Uint8Array): Index | undefined {
  try {
    if (readManifest(bytes).kind !== 'index') return undefined
    const { manifests, ...rest } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { manifests?: unknown }
    const entries = Array.isArray(manifests) ? (manifests as unknown[]).filter(isEntry) : []
    return { ...rest, manifests: entries }
  } catch {
    return undefined
  }
}

function isEntry(value: unknown): value is ListedReferrer {
  return typeof value === 'object' && value !== null && typeof (value as ListedReferrer).digest === 'string'
}
