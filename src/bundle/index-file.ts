// The index of a bundle as bytes (docs/formats/bundle.md, "Index"): written in one form only, and read from strangers, so
// that bytes which are not in that form, or that contradict themselves, are refused before anything else is believed.
import type { Digest } from '../oci/digest.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import { isBundleId } from '../storage/layout.ts'
import { LARGEST_MANIFEST } from '../storage/manifests.ts'
import { MOST_SIGNATURES, MOST_SIGNATURE_BYTES } from '../storage/signatures.ts'
import type {
  BuildsOn,
  BundleBlob,
  BundleImage,
  BundleIndex,
  BundleRepository,
  BundleSignature,
  BundleSlice,
} from './bundle-index.ts'
import { BUNDLE_FORMAT, carriedBytes, isPlainTar } from './bundle-index.ts'
import { computeBundleId } from './bundle-id.ts'
import { writeCanonicalJson } from './canonical-json.ts'
import { makeFlaw } from './flaw.ts'
import type { Fields } from './json-fields.ts'
import {
  allowOnly,
  checkForm,
  checkNumber,
  openObject,
  parseDocument,
  placeOf,
  readDigestField,
  readForm,
  readList,
  readNumber,
  readObjects,
  readSha256,
  readText,
} from './json-fields.ts'

/** An index is held in memory as a whole. */
export const LARGEST_INDEX = 32 * 1024 * 1024
export const MOST_BLOBS = 200_000
export const MOST_PARTS = 9999
const MOST_SEQUENCE = 1_000_000_000
/** What the eleven octal digits of a tar's header hold. */
export const LATEST_TIME = 8 ** 11 - 1

const TOP = [
  'format',
  'id',
  'sequence',
  'created',
  'parts',
  'bytes',
  'plainTar',
  'buildsOn',
  'blobs',
  'repositories',
  'signatures',
]

/** Writes the index: the bytes that stand in the tar and that are signed. */
export function writeIndex(index: BundleIndex): Buffer {
  const { id, sequence, created, parts, buildsOn, blobs, repositories, signatures } = index
  return writeCanonicalJson({
    format: BUNDLE_FORMAT,
    id,
    sequence,
    created: formatTime(created),
    parts,
    bytes: carriedBytes(blobs),
    plainTar: isPlainTar(blobs),
    buildsOn,
    // The place of a cut blob is said by its slices.
    blobs: blobs.map(({ digest, size, part, slices }) =>
      slices === undefined ? { digest, size, part } : { digest, size, slices },
    ),
    repositories,
    signatures,
  })
}

/** Reads an index. Throws a flaw that says what is wrong: its form, a number, a name, an order, or its id. */
export function parseIndex(bytes: Uint8Array): BundleIndex {
  if (bytes.byteLength > LARGEST_INDEX) {
    throw makeFlaw(`the index of the bundle has ${bytes.byteLength} bytes, and at most ${LARGEST_INDEX} are taken`)
  }
  const top = parseDocument(bytes, 'the index')
  const format = readText(top, 'format')
  if (format !== BUNDLE_FORMAT) {
    throw makeFlaw(`the bundle is of the format ${JSON.stringify(format.slice(0, 64))}, and this is ${BUNDLE_FORMAT}`, {
      hint: 'a newer tarn wrote it: carry that one too (tarn bundle create --with-tarn)',
    })
  }
  allowOnly(top, TOP)
  const parts = readNumber(top, 'parts', 1, MOST_PARTS)
  const blobs = readBlobs(top, parts)
  const repositories = readRepositories(top, blobs)
  const index: BundleIndex = {
    id: readForm(top, 'id', isBundleId, 'the id of a bundle'),
    sequence: readNumber(top, 'sequence', 1, MOST_SEQUENCE),
    created: readTime(top, 'created'),
    parts,
    buildsOn: readObjects(top, 'buildsOn').map(readBuildsOn),
    blobs,
    repositories,
    signatures: readSignatures(top, blobs, repositories),
  }
  checkUse(index)
  if (index.id !== computeBundleId(index)) throw makeFlaw('the id of the bundle is not that of its content')
  // Whatever was passed over above is said here: sums, spaces, the order of keys.
  if (!writeIndex(index).equals(bytes)) throw makeFlaw('the index is not written in its one form')
  return index
}

/** Seconds since 1970 as RFC 3339 in UTC: `2026-11-01T00:00:00Z`. */
export function formatTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}

/** Reads what `formatTime` writes. */
export function readTime(fields: Fields, key: string): number {
  const text = readText(fields, key)
  const seconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) ? Date.parse(text) / 1000 : Number.NaN
  const checked = checkNumber(seconds, placeOf(fields, key), 0, LATEST_TIME)
  // The 30th of February is the 2nd of March to Date.parse.
  if (formatTime(checked) === text) return checked
  throw makeFlaw(`${placeOf(fields, key)} is no time`)
}

function readBlobs(top: Fields, parts: number): BundleBlob[] {
  const list = readList(top, 'blobs')
  if (list.length > MOST_BLOBS) throw makeFlaw(`the index names more than ${MOST_BLOBS} blobs`)
  const seen = new Set<Digest>()
  let reached = 1
  let left: Digest | undefined
  return list.map((value, at) => {
    const place = `the index.blobs[${at}]`
    const fields = openObject(value, place)
    const digest = readDigestField(fields, 'digest')
    const size = readNumber(fields, 'size', 0, Number.MAX_SAFE_INTEGER)
    if (seen.has(digest)) throw makeFlaw(`the index names the blob ${digest} twice`)
    seen.add(digest)
    const slices = fields.members['slices'] === undefined ? undefined : readSlices(fields, size, parts)
    const part = slices?.[0]?.part ?? readNumber(fields, 'part', 0, parts)
    if (part === 0) {
      if (left !== undefined && digest < left) throw makeFlaw(`${place} is out of order`)
      left = digest
    } else if (part < reached || left !== undefined) throw makeFlaw(`${place} is out of order`)
    else reached = slices?.at(-1)?.part ?? part
    return { digest, size, part, ...(slices && { slices }) }
  })
}

function readSlices(blob: Fields, size: number, parts: number): BundleSlice[] {
  const slices = readObjects(blob, 'slices').map((fields) => ({
    digest: readSha256(fields, 'digest'),
    size: readNumber(fields, 'size', 1, Number.MAX_SAFE_INTEGER),
    part: readNumber(fields, 'part', 1, parts),
  }))
  const [first] = slices
  const isInOrder = slices.every(({ part }, at) => first !== undefined && part === first.part + at)
  if (slices.length < 2 || !isInOrder || slices.reduce((sum, slice) => sum + slice.size, 0) !== size) {
    throw makeFlaw(`${blob.place}.slices do not make the blob`)
  }
  return slices
}

function readRepositories(top: Fields, blobs: readonly BundleBlob[]): BundleRepository[] {
  const repositories = readObjects(top, 'repositories').map((fields) => {
    const manifests = readPlaces(fields, 'manifests', blobs)
    const held = new Set(manifests)
    return {
      name: readForm(fields, 'name', isRepositoryName, 'the name of a repository'),
      images: readImages(fields, held),
      layers: readPlaces(fields, 'layers', blobs),
      manifests,
    }
  })
  requireOrder(repositories, ({ name }) => name, 'the index.repositories')
  if (repositories.length === 0) throw makeFlaw('the bundle holds no image')
  return repositories
}

function readPlaces(repository: Fields, key: string, blobs: readonly BundleBlob[]): number[] {
  const place = placeOf(repository, key)
  const places = readList(repository, key).map((value) => checkNumber(value, place, 0, blobs.length - 1))
  if (places.some((value, at) => at > 0 && value <= (places[at - 1] ?? 0))) throw makeFlaw(`${place} is out of order`)
  return places
}

function readImages(repository: Fields, manifests: ReadonlySet<number>): BundleImage[] {
  const taken = new Set<Tag>()
  let last = -1
  const images = readObjects(repository, 'images').map((fields) => {
    const manifest = readNumber(fields, 'manifest', 0, MOST_BLOBS)
    if (!manifests.has(manifest)) throw makeFlaw(`${fields.place} is none of the repository's manifests`)
    if (manifest <= last) throw makeFlaw(`${fields.place} is out of order`)
    last = manifest
    const tags = readList(fields, 'tags').map((tag) => checkForm(tag, `${fields.place}.tags`, isTag, 'a tag'))
    requireOrder(tags, (tag) => tag, `${fields.place}.tags`)
    for (const tag of tags) {
      if (taken.has(tag)) throw makeFlaw(`${repository.place} gives the tag ${tag} twice`)
      taken.add(tag)
    }
    return { manifest, tags }
  })
  if (images.length === 0) throw makeFlaw(`${repository.place} has no image`)
  return images
}

function readSignatures(
  top: Fields,
  blobs: readonly BundleBlob[],
  repositories: readonly BundleRepository[],
): BundleSignature[] {
  const manifests = new Set(repositories.flatMap((one) => one.manifests.map((at) => blobs[at]?.digest)))
  const signatures = readObjects(top, 'signatures').map((fields) => {
    const of = readDigestField(fields, 'of')
    if (!manifests.has(of)) throw makeFlaw(`${fields.place} is of nothing in the bundle`)
    return {
      of,
      number: readNumber(fields, 'number', 1, MOST_SIGNATURES),
      digest: readSha256(fields, 'digest'),
      size: readNumber(fields, 'size', 1, MOST_SIGNATURE_BYTES),
    }
  })
  requireOrder(signatures, ({ of, number }) => `${of} ${number}`, 'the index.signatures')
  return signatures
}

function readBuildsOn(fields: Fields): BuildsOn {
  const kind = readText(fields, 'kind')
  if (kind !== 'bundle' && kind !== 'inventory') throw makeFlaw(`${fields.place}.kind is neither bundle nor inventory`)
  return {
    kind,
    id: readForm(fields, 'id', isBundleId, 'an id'),
    sequence: readNumber(fields, 'sequence', 0, MOST_SEQUENCE),
  }
}

/** Ascending, each once. */
function requireOrder<T>(list: readonly T[], keyOf: (value: T) => string, place: string): void {
  list.forEach((value, at) => {
    const before = list[at - 1]
    if (before !== undefined && keyOf(before) >= keyOf(value)) throw makeFlaw(`${place}[${at}] is out of order`)
  })
}

/** No blob is there for nothing, and none that is used as a manifest is larger than a manifest. */
function checkUse({ blobs, repositories, signatures }: BundleIndex): void {
  const used = new Set(repositories.flatMap(({ layers, manifests }) => [...layers, ...manifests]))
  const useless = blobs.findIndex((_, at) => !used.has(at))
  if (useless >= 0) throw makeFlaw(`no repository uses the blob ${blobs[useless]?.digest}`)
  for (const { name, manifests } of repositories) {
    const large = manifests.find((at) => (blobs[at]?.size ?? 0) > LARGEST_MANIFEST)
    if (large !== undefined) throw makeFlaw(`${blobs[large]?.digest} in ${name} is too large for a manifest`)
    const cut = manifests.find((at) => blobs[at]?.slices !== undefined)
    if (cut !== undefined) throw makeFlaw(`the manifest ${blobs[cut]?.digest} in ${name} is cut`)
  }
  signatures.forEach(({ of, number }, at) => {
    const before = signatures[at - 1]
    if (number !== (before?.of === of ? before.number + 1 : 1)) throw makeFlaw(`the signatures of ${of} have a gap`)
  })
}
