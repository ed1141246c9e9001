// One pass over one part of a bundle (docs/formats/bundle.md). The index, which comes first, says what every entry after it
// must be, byte for byte of its header: any other sequence is no bundle of this format. Nothing is decided here.
import type { Digest } from '../oci/digest.ts'
import { digestOf } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { ByteSource } from '../storage/byte-source.ts'
import { Allowance } from './allowance.ts'
import { BadArchive } from './bad-archive.ts'
import type { BundleBlob, BundleIndex, BundleSlice } from './bundle-index.ts'
import type { WantedRepository } from './claims.ts'
import { unpack } from './decompress.ts'
import type { BundleEntry } from './entries.ts'
import { listEntries } from './entries.ts'
import { indexName, partName, signatureName } from './entry-name.ts'
import { LARGEST_INDEX, parseIndex } from './index-file.ts'
import type { ManifestFacts } from './manifest-facts.ts'
import { costOf } from './manifest-facts.ts'
import type { ArchiveBlob, ArchiveSignature, BlobOutcome, BlobTaker } from './read-archive.ts'
import { readAll, takeBlob } from './read-archive.ts'
import type { TarEntry } from './read-tar.ts'
import { TAR_LIMITS, readTar } from './read-tar.ts'
import { LARGEST_SIGNATURE } from './signature.ts'
import { writeHeader } from './tar-header.ts'

/** What stands at the beginning of every part. */
export interface BundleHead {
  readonly index: BundleIndex
  /** As they stand there: what is signed. */
  readonly indexBytes: Uint8Array
  readonly signature: Uint8Array | undefined
  /** Which part this is, from 1. */
  readonly part: number
}

export interface BundleTaker extends BlobTaker {
  /** Reads all of `bytes`, which are a piece of a blob; 'wrong' when they are not the slice. */
  takeSlice(blob: BundleBlob, slice: BundleSlice, offset: number, bytes: ByteSource): Promise<BlobOutcome>
}

export interface BundlePart {
  readonly head: BundleHead
  /** Those of this part, whole ones only. */
  readonly blobs: ReadonlyMap<Digest, ArchiveBlob>
  /** Slices of this part, by their own digests. */
  readonly slices: ReadonlyMap<Digest, ArchiveBlob>
  readonly manifests: ReadonlyMap<Digest, ManifestFacts>
  readonly signatures: readonly ArchiveSignature[]
  readonly repositories: ReadonlyMap<RepositoryName, WantedRepository>
}

const INDEX = /^data\/\.tarn\/state\/bundles\/([0-9a-f]{64})\.json$/
const PART = /\.part-(\d{4})-of-(\d{4})$/
// Of all blobs, links and directories that the largest index can mean, with room to spare.
const LIMITS = { ...TAR_LIMITS, filling: 0 }

/**
 * Reads one part from its beginning to its end. `judge` is called before the first blob. Throws BadArchive and flaws for
 * what is no part of a bundle, what `judge`, `source` and `taker` throw.
 */
export async function readBundle(
  source: ByteSource,
  taker: BundleTaker,
  judge: (head: BundleHead) => Promise<void> = async () => undefined,
): Promise<BundlePart> {
  const entries = readTar(await unpack(source), LIMITS)
  try {
    const { head, first } = await readHead(entries)
    await judge(head)
    return await readRest(head, first, entries, taker)
  } finally {
    await entries.return(undefined)
  }
}

/** Reads no more than the head of a part. Throws as `readBundle`. */
export async function readBundleHead(source: ByteSource): Promise<BundleHead> {
  const entries = readTar(await unpack(source), LIMITS)
  try {
    return (await readHead(entries)).head
  } finally {
    await entries.return(undefined)
  }
}

type Entries = AsyncGenerator<TarEntry>

async function readHead(entries: Entries): Promise<{ readonly head: BundleHead; readonly first: readonly TarEntry[] }> {
  const first: TarEntry[] = []
  const next = async (what: string): Promise<TarEntry> => {
    const { value, done } = await entries.next()
    if (done === true) throw new BadArchive(`the archive ends before ${what}`)
    first.push(value)
    return value
  }
  const indexEntry = await next('the index of a bundle')
  const id = INDEX.exec(indexEntry.name)?.[1]
  if (id === undefined || indexEntry.kind !== 'file') {
    throw new BadArchive(`this is no bundle: it begins with ${indexEntry.where}, and not with an index`, {
      hint: 'a tar of a data directory is taken in by: tarn import data:FILE',
    })
  }
  if (indexEntry.size > LARGEST_INDEX) throw new BadArchive(`the index of the bundle has ${indexEntry.size} bytes`)
  const indexBytes = await readAll(indexEntry.bytes)
  const index = parseIndex(indexBytes)
  if (indexEntry.name !== indexName(index.id))
    throw new BadArchive(`${indexEntry.where} is not named by the id of its bundle`)
  let entry = await next('it says which part it is')
  let signature: Uint8Array | undefined
  if (entry.name === signatureName(index.id)) {
    if (entry.size > LARGEST_SIGNATURE) throw new BadArchive(`the signature of the bundle has ${entry.size} bytes`)
    signature = await readAll(entry.bytes)
    entry = await next('it says which part it is')
  }
  const part = Number(PART.exec(entry.name)?.[1])
  if (entry.name !== partName(index.id, part, index.parts) || part < 1 || part > index.parts) {
    throw new BadArchive(`${entry.where} stands where the bundle says which of its ${index.parts} parts this is`)
  }
  return { head: { index, indexBytes, signature, part }, first }
}

async function readRest(
  head: BundleHead,
  first: readonly TarEntry[],
  entries: Entries,
  taker: BundleTaker,
): Promise<BundlePart> {
  const { index, part, indexBytes, signature } = head
  const reading = new PartReading(head, taker)
  const expected = listEntries(index, part, { index: indexBytes.byteLength, signature: signature?.byteLength })
  let at = 0
  for (const entry of expected) {
    const known = first[at]
    const found = known ?? (await entries.next()).value
    at += 1
    if (found === undefined) throw new BadArchive(`the bundle ends before ${JSON.stringify(entry.name)}`)
    const wanted = writeHeader({ name: entry.name, size: entry.size, time: index.created })
    if (!wanted.equals(found.head)) throw unexpected(found as TarEntry, entry)
    if (known === undefined) await reading.take(entry, found as TarEntry)
  }
  const extra = (await entries.next()).value as TarEntry | undefined
  if (extra !== undefined) throw new BadArchive(`${extra.where} is not in the index of the bundle`)
  return reading.end()
}

function unexpected(found: TarEntry, wanted: BundleEntry): BadArchive {
  if (found.name !== wanted.name.replace(/\/$/, '')) {
    return new BadArchive(`${found.where} stands where the index has ${JSON.stringify(wanted.name)}`)
  }
  if (found.kind !== 'file' && found.kind !== 'directory') return new BadArchive(`${found.where} is a ${found.kind}`)
  if (found.size !== wanted.size) {
    return new BadArchive(`${found.where} has ${found.size} bytes, and the index says ${wanted.size}`)
  }
  return new BadArchive(`${found.where} has another header than tarn writes`)
}

class PartReading {
  readonly #head: BundleHead
  readonly #taker: BundleTaker
  readonly #blobs = new Map<Digest, ArchiveBlob>()
  readonly #slices = new Map<Digest, ArchiveBlob>()
  readonly #manifests = new Map<Digest, ManifestFacts>()
  readonly #signatures: ArchiveSignature[] = []
  readonly #interned: ReadonlyMap<Digest, Digest>
  readonly #allowance = new Allowance()
  readonly #used: ReadonlySet<Digest>

  constructor(head: BundleHead, taker: BundleTaker) {
    this.#head = head
    this.#taker = taker
    const { blobs, repositories } = head.index
    this.#interned = new Map(blobs.map(({ digest }) => [digest, digest]))
    this.#used = new Set(repositories.flatMap((one) => one.manifests.flatMap((at) => blobs[at]?.digest ?? [])))
  }

  async take(entry: BundleEntry, found: TarEntry): Promise<void> {
    switch (entry.kind) {
      case 'blob': {
        const { digest, size } = entry.blob
        const { outcome, facts } = await takeBlob(this.#taker, digest, found, (one) => this.#interned.get(one) ?? one)
        if (outcome === 'wrong') throw new BadArchive(`${found.where} has other bytes than its name says`)
        this.#blobs.set(digest, { size, outcome })
        if (!this.#used.has(digest)) return
        if (facts === undefined) throw new BadArchive(`${digest} is no manifest, and the index says it is one`)
        this.#keep(digest, facts)
        return
      }
      case 'slice': {
        const { blob, slice, offset } = entry
        const outcome = await this.#taker.takeSlice(blob, slice, offset, found.bytes)
        if (outcome === 'wrong') throw new BadArchive(`${found.where} has other bytes than the index says`)
        this.#slices.set(slice.digest, { size: slice.size, outcome })
        return
      }
      case 'release-signature': {
        const bytes = await readAll(found.bytes)
        if (digestOf(bytes) !== entry.signature.digest) {
          throw new BadArchive(`${found.where} has other bytes than the index says`)
        }
        this.#signatures.push({ digest: entry.signature.of, bytes })
        return
      }
      case 'link': {
        const text = (await readAll(found.bytes)).toString('latin1')
        if (text !== entry.digest) throw new BadArchive(`${found.where} does not hold ${entry.digest}`)
        return
      }
      default:
      // Directories hold nothing; the head was read.
    }
  }

  // What it could have besides is remembered only where the index has it: a manifest names thousands in few packed bytes.
  #keep(digest: Digest, { blobs, others, children }: ManifestFacts): void {
    const isKnown = (one: Digest): boolean => this.#interned.has(one)
    const missing = blobs.find((one) => !isKnown(one))
    if (missing !== undefined) throw new BadArchive(`the index leaves out ${missing}, which ${digest} needs`)
    const facts = { blobs, others: others.filter(isKnown), children: children.filter(isKnown) }
    this.#allowance.take(costOf(facts))
    this.#manifests.set(digest, facts)
  }

  end(): BundlePart {
    const repositories = wantedBy(this.#head.index)
    this.#checkClosures(repositories)
    return {
      head: this.#head,
      blobs: this.#blobs,
      slices: this.#slices,
      manifests: this.#manifests,
      signatures: this.#signatures,
      repositories,
    }
  }

  /** What a manifest needs must be what the index says that its repository serves. */
  #checkClosures(repositories: ReadonlyMap<RepositoryName, WantedRepository>): void {
    for (const [name, { layers, manifests }] of repositories) {
      for (const digest of manifests) {
        const missing = this.#manifests.get(digest)?.blobs.find((blob) => !layers.has(blob))
        if (missing === undefined) continue
        throw new BadArchive(`the index leaves out ${missing}, which ${digest} in ${name} needs`)
      }
    }
  }
}

/** What the index wants of each repository, by digests. */
export function wantedBy({ blobs, repositories }: BundleIndex): Map<RepositoryName, WantedRepository> {
  const digestsAt = (places: readonly number[]): Digest[] => places.flatMap((place) => blobs[place]?.digest ?? [])
  return new Map(
    repositories.map(({ name, images, layers, manifests }) => {
      const tags = new Map<Tag, Digest>()
      for (const image of images) {
        const [digest] = digestsAt([image.manifest])
        for (const tag of image.tags) if (digest !== undefined) tags.set(tag, digest)
      }
      return [
        name,
        { layers: new Map(digestsAt(layers).map((one) => [one, one])), manifests: new Set(digestsAt(manifests)), tags },
      ]
    }),
  )
}
