// One pass over an archive in the data directory's layout: a bundle, or a tar of any registry's data directory. Blobs are
// handed on as they come and are hashed by whoever takes them; links are gathered as claims. Nothing is decided here.
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import type { ByteSource } from '../storage/byte-source.ts'
import { LARGEST_MANIFEST } from '../storage/manifests.ts'
import { MOST_SIGNATURE_BYTES } from '../storage/signatures.ts'
import { Allowance, COST } from './allowance.ts'
import { BadArchive } from './bad-archive.ts'
import type { Claim, ClaimedPath } from './claimed-path.ts'
import { readClaim } from './claimed-path.ts'
import { Claims } from './claims.ts'
import type { ManifestFacts } from './manifest-facts.ts'
import { beginsAsManifest, costOf, readFacts } from './manifest-facts.ts'
import type { TarEntry } from './read-tar.ts'

/** What became of a blob: taken, here already, or bytes that are something else than their name says. */
export type BlobOutcome = 'new' | 'here' | 'wrong'

export interface BlobTaker {
  /** Reads all of `bytes`. */
  take(digest: Digest, size: number, bytes: ByteSource): Promise<BlobOutcome>
}

export interface ArchiveBlob {
  /** Bytes. */
  readonly size: number
  readonly outcome: BlobOutcome
}

export interface ArchiveSignature {
  readonly digest: Digest
  readonly bytes: Uint8Array
}

export interface Archive {
  readonly claims: Claims
  readonly blobs: ReadonlyMap<Digest, ArchiveBlob>
  readonly manifests: ReadonlyMap<Digest, ManifestFacts>
  readonly signatures: readonly ArchiveSignature[]
  /** Files that are no part of a registry, and links that hold no digest. */
  readonly passedOver: number
  readonly torn: number
}

const LONGEST_LINK = 200
const MOST_SIGNATURES_HELD = 32 * 1024 * 1024
const MOST_SYMLINKS = 10_000
const MOST_BLOBS = 300_000
const SIGNATURE = /^signatures\/(sha256|sha512)=([0-9a-f]+)\/signature-[1-9][0-9]{0,3}$/

/** Reads the archive from its beginning to its end. Throws BadArchive, what the tar's source and `taker` throw. */
export async function readArchive(
  entries: AsyncIterable<TarEntry>,
  taker: BlobTaker,
  allowance: Allowance = new Allowance(),
): Promise<Archive> {
  const reading = new Reading(taker, allowance)
  for await (const entry of entries) await reading.read(entry)
  return reading.end()
}

class Reading {
  readonly #taker: BlobTaker
  readonly #allowance: Allowance
  readonly #claims: Claims
  readonly #blobs = new Map<Digest, ArchiveBlob>()
  readonly #manifests = new Map<Digest, ManifestFacts>()
  readonly #signatures: ArchiveSignature[] = []
  readonly #symlinks: string[] = []
  #signatureBytes = 0
  #whole = 0
  #passedOver = 0
  #torn = 0
  #root: string | undefined

  constructor(taker: BlobTaker, allowance: Allowance) {
    this.#taker = taker
    this.#allowance = allowance
    this.#claims = new Claims(allowance)
  }

  async read(entry: TarEntry): Promise<void> {
    const path = readClaim(entry.name, entry.where)
    this.#checkKind(entry, path)
    if (path === undefined) {
      if (entry.kind !== 'directory') this.#passedOver += 1
      return
    }
    this.#checkRoot(path, entry)
    if (entry.kind === 'directory') return
    await this.#take(path.claim, entry)
  }

  end(): Archive {
    const root = this.#root
    if (root === undefined) {
      throw new BadArchive('the archive holds no data directory of a registry: docker/registry/v2 is not in it', {
        hint: 'nothing was changed; make it with: tar -cf registry.tar data/',
      })
    }
    const link = this.#symlinks.find((name) => root === name || root.startsWith(`${name}/`))
    if (link !== undefined)
      throw new BadArchive(`the archive has a symbolic link in the place of ${JSON.stringify(link)}`)
    return {
      claims: this.#claims,
      blobs: this.#blobs,
      manifests: this.#manifests,
      signatures: this.#signatures,
      passedOver: this.#passedOver,
      torn: this.#torn,
    }
  }

  // Links outside of the data directory (certificates, for one) are in nobody's way, since nothing is unpacked.
  #checkKind({ kind, name, where }: TarEntry, path: ClaimedPath | undefined): void {
    if (kind === 'file' || kind === 'directory') return
    if (kind === 'symbolic link' && path === undefined && this.#symlinks.length < MOST_SYMLINKS) {
      const clean = name.replace(/^(?:\.\/+)+/, '')
      this.#allowance.take(COST.text + Buffer.byteLength(name))
      this.#symlinks.push(clean)
      return
    }
    throw new BadArchive(`${where} is a ${kind}; a registry has files and directories only`, {
      hint: 'nothing was changed; make the tar of the files themselves: tar -h follows links',
    })
  }

  #checkRoot({ root }: ClaimedPath, { where }: TarEntry): void {
    this.#root ??= root
    if (root === this.#root) return
    throw new BadArchive(
      `the archive holds two data directories: ${where} is not below ${JSON.stringify(this.#root)}`,
      {
        hint: 'nothing was changed; make a tar of one data directory',
      },
    )
  }

  async #take(claim: Claim, entry: TarEntry): Promise<void> {
    switch (claim.kind) {
      case 'blob':
        return this.#takeBlob(claim.digest, entry)
      case 'layer':
      case 'revision':
      case 'tag':
      case 'history':
        return this.#takeLink(claim, entry)
      case 'state':
        return this.#takeState(claim.path, entry)
      case 'other':
        this.#passedOver += 1
    }
  }

  async #takeBlob(claimed: Digest, entry: TarEntry): Promise<void> {
    const digest = this.#claims.intern(claimed)
    const before = this.#blobs.get(digest)
    if (before !== undefined && before.outcome !== 'wrong') {
      if (before.size === entry.size) return
      throw new BadArchive(`${entry.where} was there before with another size`)
    }
    if (before === undefined) this.#allowance.take(COST.blob)
    const { outcome, facts } = await takeBlob(this.#taker, digest, entry, (one) => this.#claims.intern(one, COST.named))
    this.#blobs.set(digest, { size: entry.size, outcome })
    if (outcome !== 'wrong') this.#countWhole(digest)
    if (facts === undefined) return
    this.#allowance.take(costOf(facts))
    this.#manifests.set(digest, facts)
  }

  // Whoever has the bytes may name them; whoever names what is not there has nothing to lose.
  #countWhole(digest: Digest): void {
    this.#whole += 1
    if (this.#whole > MOST_BLOBS) {
      throw new BadArchive(`the archive has more than ${MOST_BLOBS} blobs`, {
        hint: 'nothing was changed; bring some repositories at a time: tarn bundle create FILE REPO…',
      })
    }
    this.#allowance.giveBack(this.#claims.costOf(digest) + COST.blob)
  }

  async #takeLink(claim: Claim, entry: TarEntry): Promise<void> {
    const text = entry.size <= LONGEST_LINK ? (await readAll(entry.bytes)).toString('latin1') : ''
    // A revision that stands for another digest is served by nobody.
    if (isDigest(text) && (claim.kind !== 'revision' || claim.digest === text))
      this.#claims.add(claim, text, entry.where)
    else this.#torn += 1
  }

  async #takeState(path: string, entry: TarEntry): Promise<void> {
    const [, algorithm, hex] = SIGNATURE.exec(path) ?? []
    const digest = `${algorithm}:${hex}`
    if (isDigest(digest) && entry.size > 0 && entry.size <= MOST_SIGNATURE_BYTES) {
      this.#signatureBytes += entry.size
      this.#allowance.take(COST.text + entry.size)
      if (this.#signatureBytes > MOST_SIGNATURES_HELD) throw new BadArchive('the archive has too many signatures')
      this.#signatures.push({ digest, bytes: await readAll(entry.bytes) })
    } else this.#passedOver += 1
  }
}

/** Hands a blob on; gives what the manifest in it says, if it is one. */
export async function takeBlob(
  taker: BlobTaker,
  digest: Digest,
  { size, bytes }: Pick<TarEntry, 'size' | 'bytes'>,
  intern: (digest: Digest) => Digest,
): Promise<{ readonly outcome: BlobOutcome; readonly facts: ManifestFacts | undefined }> {
  const kept: Uint8Array[] = []
  const outcome = await taker.take(digest, size, size <= LARGEST_MANIFEST ? keepManifest(bytes, kept) : bytes)
  const isManifest = outcome !== 'wrong' && kept.length > 0
  return { outcome, facts: isManifest ? readFacts(Buffer.concat(kept), intern) : undefined }
}

/** Passes the bytes on and keeps them where they can be a manifest. */
async function* keepManifest(bytes: AsyncIterable<Uint8Array>, kept: Uint8Array[]): AsyncGenerator<Uint8Array> {
  let isKept: boolean | undefined
  for await (const part of bytes) {
    isKept ??= beginsAsManifest(part)
    if (isKept) kept.push(part)
    yield part
  }
}

/** All bytes of an entry that is known to be small. */
export async function readAll(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of bytes) parts.push(part)
  return Buffer.concat(parts)
}
