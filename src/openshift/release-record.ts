// What came with a release when it was mirrored here, one small file for each payload under `.tarn/state/releases`. A payload
// names its components, and nothing names what refers to an image (sigstore's signatures, SBOMs): once such a tag is
// gone, only what was written down tells that there ever was one. Read at each question (I2); such a file may come by
// tar from another data directory, and all that it can do is to make somebody look for more.
import { readFileSync } from 'node:fs'
import { readReceipts } from '../bundle/receipts.ts'
import type { ClosureManifest } from '../exchange/read-closure.ts'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, hexOf, isDigest, joinDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import { readSubjectTag } from '../oci/subject-tag.ts'
import type { Layout } from '../storage/layout.ts'
import { isNotThere, statFile } from '../storage/stamp.ts'
import type { Store } from '../storage/store.ts'

export interface RecordedReferrer {
  readonly repository: RepositoryName
  /** The image that it is about. */
  readonly subject: Digest
  /** Where it goes by one: `sha256-<hex>.sig`. */
  readonly tag: Tag | undefined
  readonly digest: Digest
}

export interface ReleaseRecord {
  /** Where the release image and its components went, each time that this was another place. */
  readonly places: readonly { readonly image: RepositoryName; readonly components: RepositoryName }[]
  readonly referrers: readonly RecordedReferrer[]
}

const FORMAT = 'tarn-release/1'

/** Bytes; 2,000 components with ten referrers each have less. */
export const LARGEST_RECORD = 16 * 1024 ** 2

/** Where a data directory keeps the record, from its root on. */
export function recordPath(digest: Digest): string {
  return `.tarn/state/releases/${algorithmOf(digest)}=${hexOf(digest)}.json`
}

/** What a manifest that refers to another one is about; undefined where it does not say so itself. */
export function subjectOf({ tag, manifest }: Pick<ClosureManifest, 'manifest'> & { readonly tag?: Tag }) {
  return tag === undefined ? manifest.subject?.digest : subjectOfTag(tag)
}

/** Undefined also for a list of referrers: each of them says itself what it is about. */
function subjectOfTag(tag: Tag): Digest | undefined {
  const named = readSubjectTag(tag)
  return named?.startsWith('sha256-') && named !== tag ? joinDigest('sha256', named.slice('sha256-'.length)) : undefined
}

/**
 * What is known of a release in this directory: by its record, and by the tags that bundles set here. Undefined where
 * nobody wrote down anything. Synchronous.
 */
export function readRecord(layout: Layout, digest: Digest): ReleaseRecord | undefined {
  const own = readOwn(layout, digest)
  const carried = readReceipts(layout).flatMap(({ tags }) =>
    tags.flatMap(({ repository, tag, digest: of }): RecordedReferrer[] => {
      const subject = subjectOfTag(tag)
      return subject === undefined ? [] : [{ repository, subject, tag, digest: of }]
    }),
  )
  if (own === undefined && carried.length === 0) return undefined
  return unite(own ?? { places: [], referrers: [] }, { places: [], referrers: carried })
}

/** Reads a record; undefined for what is none of this release. */
export function parseRecord(bytes: Uint8Array, digest: Digest): ReleaseRecord | undefined {
  let root: Fields
  try {
    root = asFields(JSON.parse(Buffer.from(bytes).toString('utf8')))
  } catch {
    return undefined
  }
  if (root['format'] !== FORMAT || root['digest'] !== digest) return undefined
  return {
    places: asList(root['places']).flatMap(({ image, components }) =>
      isName(image) && isName(components) ? [{ image, components }] : [],
    ),
    referrers: asList(root['referrers']).flatMap(({ repository, subject, tag, digest: of }): RecordedReferrer[] => {
      if (!isName(repository) || !isOne(subject) || !isOne(of)) return []
      if (tag === undefined) return [{ repository, subject, tag, digest: of }]
      return typeof tag === 'string' && isTag(tag) ? [{ repository, subject, tag, digest: of }] : []
    }),
  }
}

/**
 * Writes down what came with a release, beside what came with it before. It survives a power cut when this returns. Only
 * the keeper of the directory may call it.
 */
export async function writeRecord(
  { layout, durable, changes }: Pick<Store, 'layout' | 'durable' | 'changes'>,
  digest: Digest,
  record: ReleaseRecord,
): Promise<void> {
  const path = layout.releaseRecord(digest)
  // The names of repositories have no "=": this key is nobody's else.
  await changes.run(path, async () => {
    const { places, referrers } = unite(readOwn(layout, digest) ?? { places: [], referrers: [] }, record)
    await durable.writeSmall('link', path, `${JSON.stringify({ format: FORMAT, digest, places, referrers })}\n`)
  })
}

function readOwn(layout: Layout, digest: Digest): ReleaseRecord | undefined {
  const path = layout.releaseRecord(digest)
  const facts = statFile(path)
  if (facts === undefined || facts.size > LARGEST_RECORD) return undefined
  try {
    return parseRecord(readFileSync(path), digest)
  } catch (error) {
    if (isNotThere(error)) return undefined
    throw error
  }
}

/** Each place and each referrer once; what a tag was about last counts. */
function unite(before: ReleaseRecord, after: ReleaseRecord): ReleaseRecord {
  const places = [...before.places, ...after.places].map(
    (place) => [`${place.image} ${place.components}`, place] as const,
  )
  const referrers = [...before.referrers, ...after.referrers].map(
    (each) => [`${each.repository} ${each.subject} ${each.tag ?? each.digest}`, each] as const,
  )
  return { places: [...new Map(places).values()], referrers: [...new Map(referrers).values()] }
}

type Fields = Readonly<Record<string, unknown>>

function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

function asList(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(asFields) : []
}

function isName(value: unknown): value is RepositoryName {
  return typeof value === 'string' && isRepositoryName(value)
}

function isOne(value: unknown): value is Digest {
  return typeof value === 'string' && isDigest(value)
}
