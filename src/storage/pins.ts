// Pins: what must stay whatever collection, retention and `tarn rm` would do. One small file a pin, under
// .tarn/state/pins, read at each question (I2). A file that cannot be read is told and never taken for "no pin".
import { constants, readFileSync, readdirSync } from 'node:fs'
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import type { Durable } from './durable.ts'
import type { Layout } from './layout.ts'
import { childOf } from './layout.ts'
import type { LeaseTable } from './leases.ts'
import { Mutex } from './mutex.ts'
import { isNotThere, readTiny } from './stamp.ts'

/** An image as a pin names it: `repo:tag` (whatever the tag points to, and the tag) or `repo@digest`. */
export interface PinnedImage {
  readonly name: RepositoryName
  readonly tag?: Tag
  readonly digest?: Digest
}

export interface Pin {
  readonly reason: string
  readonly images: readonly PinnedImage[]
  /** Blobs that stay though no repository names them. */
  readonly blobs: readonly Digest[]
}

export interface StoredPin extends Pin {
  readonly id: string
}

export interface PinList {
  readonly pins: readonly StoredPin[]
  /** Files that may be pins and cannot be understood; while there are any, nothing may be deleted. */
  readonly unreadable: readonly { readonly path: string; readonly why: string }[]
}

// Any file that ends in .json is read, whoever named it: a pin that was overlooked would not protect.
/** The grammar of the id of a pin: the name of its file without the ending. */
export const PIN_ID = '^[^./\\0][^/\\0]{0,127}$'
const ID = new RegExp(PIN_ID)

// Not blocking: a pipe in the place of a pin would hold its reader for ever.
const READ = constants.O_RDONLY | constants.O_NONBLOCK

/** Reads all pins. Synchronous and read-only; a directory that is not there holds none. */
export function readPins(layout: Layout): PinList {
  const pins: StoredPin[] = []
  const unreadable: { path: string; why: string }[] = []
  const attempt = <T>(path: string, act: () => T): T | undefined => {
    try {
      return act()
    } catch (error) {
      if (!isNotThere(error)) unreadable.push({ path, why: (error as Error).message })
      return undefined
    }
  }
  for (const file of attempt(layout.pins, () => readdirSync(layout.pins).toSorted()) ?? []) {
    // Nobody's pin: an editor's copy, or a write that a crash left unfinished.
    if (!file.endsWith('.json')) continue
    const id = file.slice(0, -'.json'.length)
    const path = childOf(layout.pins, file)
    const pin = attempt(path, () => parsePin(readFileSync(path, { encoding: 'utf8', flag: READ })))
    if (pin !== undefined) pins.push({ id, ...pin })
  }
  return { pins, unreadable }
}

/** The pin that names the tag or the digest of the repository itself (what it needs is for the caller to follow). */
export function findPin(
  pins: readonly StoredPin[],
  name: RepositoryName,
  wanted: { readonly tag?: Tag; readonly digest?: Digest },
): StoredPin | undefined {
  return pins.find(({ images }) =>
    images.some(
      (image) =>
        image.name === name &&
        ((image.tag !== undefined && image.tag === wanted.tag) ||
          (image.digest !== undefined && image.digest === wanted.digest)),
    ),
  )
}

/** `repo:tag` or `repo@digest`, the form in which pins are stored and shown. */
export function formatPinned({ name, tag, digest }: PinnedImage): string {
  return digest === undefined ? `${name}:${tag}` : `${name}@${digest}`
}

interface PinsParts {
  readonly layout: Layout
  readonly durable: Durable
  readonly leases: LeaseTable
  /** Exclusion of changes to one repository's manifests and tags; the key is its name. */
  readonly changes: Mutex
}

export class Pins {
  readonly #layout: Layout
  readonly #durable: Durable
  readonly #leases: LeaseTable
  readonly #changes: Mutex
  /** Exclusion of those who write the pin of an id. */
  readonly #turns = new Mutex()

  constructor({ layout, durable, leases, changes }: PinsParts) {
    this.#layout = layout
    this.#durable = durable
    this.#leases = leases
    this.#changes = changes
  }

  list(): PinList {
    return readPins(this.#layout)
  }

  /**
   * Writes the pin `id`, in the place of one that is there; it survives a power cut when this returns, and from then on
   * nothing takes what it names. Throws a Problem for an image that is not here, unless the earlier pin named it too;
   * the earlier pin is then as it was.
   */
  async add(id: string, { reason, images, blobs }: Pin): Promise<void> {
    if (!ID.test(id)) throw new Error(`${id} cannot be the id of a pin`)
    const path = this.#pathOf(id)
    const text = JSON.stringify({ reason, images: images.map(formatPinned), blobs })
    await this.#turns.run(id, async () => {
      // A collection that is under way read the pins before this one was there; what is held or leased it leaves alone.
      const targets = images.map((image) => this.#targetOf(image)).filter((target) => target !== undefined)
      const release = this.#leases.hold([...images.map(({ name }) => name), ...targets, ...blobs])
      for (const digest of [...targets, ...blobs]) this.#leases.lease(digest)
      try {
        const earlier = readEarlier(path)
        await this.#durable.writeSmall('link', path, `${text}\n`)
        const gone = await this.#findGone(images.filter((image) => !earlier.images.has(formatPinned(image))))
        if (gone === undefined) return
        if (earlier.text === undefined) await this.#durable.remove(path)
        else await this.#durable.writeSmall('link', path, earlier.text)
        throw new Problem(`${formatPinned(gone)} is not here`, { hint: `see what is: tarn ls --tags ${gone.name}` })
      } finally {
        release()
      }
    })
  }

  /** Takes the pin away; false when there was none. */
  async remove(id: string): Promise<boolean> {
    return ID.test(id) && this.#turns.run(id, () => this.#durable.remove(this.#pathOf(id)))
  }

  /** The pin that names the tag or the digest itself, if there is one. */
  protects(name: RepositoryName, wanted: { readonly tag?: Tag; readonly digest?: Digest }): StoredPin | undefined {
    return findPin(this.list().pins, name, wanted)
  }

  #pathOf(id: string): string {
    return childOf(this.#layout.pins, `${id}.json`)
  }

  #targetOf({ name, tag, digest }: PinnedImage): Digest | undefined {
    if (tag === undefined) return digest
    const target = readTiny(this.#layout.tagLink(name, tag))
    return target !== undefined && isDigest(target) ? target : undefined
  }

  /** The first of the images that its repository does not hold, now that the pin is there for everybody. */
  async #findGone(images: readonly PinnedImage[]): Promise<PinnedImage | undefined> {
    for (const image of images) {
      // In its turn: who removes something just now may have read the pins before this one was there.
      const isHere = await this.#changes.run(image.name, async () => {
        const target = this.#targetOf(image)
        if (target === undefined) return false
        // A push may have moved the tag.
        this.#leases.lease(target)
        return isDigest(readTiny(this.#layout.revisionLink(image.name, target)) ?? '')
      })
      if (!isHere) return image
    }
    return undefined
  }
}

/** The pin that stands at `path`: its text as it is, and what it names as far as that can be told. */
function readEarlier(path: string): { readonly text: string | undefined; readonly images: ReadonlySet<string> } {
  let text: string | undefined
  try {
    text = readFileSync(path, { encoding: 'utf8', flag: READ })
    return { text, images: new Set(parsePin(text).images.map(formatPinned)) }
  } catch {
    return { text, images: new Set() }
  }
}

/** Reads a pin from its JSON. Throws an Error that says what is wrong with it. */
export function parsePin(text: string): Pin {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null) throw new Error('it is no pin: an object is wanted')
  const { reason = '', images = [], blobs = [] } = value as Record<string, unknown>
  if (!Array.isArray(images) || !Array.isArray(blobs)) throw new Error('images and blobs of a pin are lists')
  return {
    reason: typeof reason === 'string' ? reason : '',
    images: images.map(parsePinned),
    blobs: blobs.map((blob: unknown) => {
      if (typeof blob === 'string' && isDigest(blob)) return blob
      throw new Error(`${JSON.stringify(blob)} is no digest`)
    }),
  }
}

function parsePinned(value: unknown): PinnedImage {
  const text = typeof value === 'string' ? value : ''
  const at = text.indexOf('@')
  const colon = at < 0 ? text.lastIndexOf(':') : at
  const name = text.slice(0, colon)
  const rest = text.slice(colon + 1)
  if (colon > 0 && isRepositoryName(name)) {
    if (at < 0 && isTag(rest)) return { name, tag: rest }
    if (at >= 0 && isDigest(rest)) return { name, digest: rest }
  }
  throw new Error(`${JSON.stringify(value)} is neither repo:tag nor repo@digest`)
}
