// Which pins to write and to take away when a person pins images or lets go of them. It reads the directory and changes
// nothing: writing pins is for the keeper (see Pins).
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import { digestOf, hexOf, isDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Layout } from '../storage/layout.ts'
import type { Pin, PinnedImage, StoredPin } from '../storage/pins.ts'
import { formatPinned } from '../storage/pins.ts'
import { readRepository } from '../storage/read-repository.ts'
import { directoryIdentity, readTiny } from '../storage/stamp.ts'
import type { ImageName } from './select.ts'
import { parseImage } from './select.ts'

/** A pin to be written, or with no `pin` to be taken away. */
export interface PinChange {
  readonly id: string
  readonly pin: Pin | undefined
}

export interface PinPlan {
  /** As `repo:tag` or `repo@digest`. */
  readonly images: readonly string[]
  readonly changes: readonly PinChange[]
}

/**
 * A pin for each image; `repo` means its tag `latest`. An image that has such a pin among `pins` keeps its reason when no
 * other is given. Throws a Problem for an image that is not here.
 */
export function planPins(
  layout: Layout,
  pins: readonly StoredPin[],
  texts: readonly string[],
  reason: string | undefined,
): PinPlan {
  const images = texts.map((text) => findImage(layout, parseImage(text), text))
  return {
    images: images.map(formatPinned),
    changes: images.map((image) => {
      const id = idOf(image)
      const old = pins.find((pin) => pin.id === id)?.reason
      return { id, pin: { reason: reason ?? old ?? '', images: [image], blobs: [] } }
    }),
  }
}

/** Takes the images out of every pin that names them. Throws a Problem for an image that is not pinned. */
export function planUnpins(pins: readonly StoredPin[], texts: readonly string[]): PinPlan {
  const wanted = new Set(texts.map((text) => findPinned(pins, parseImage(text), text)))
  const changes: PinChange[] = []
  for (const { id, ...pin } of pins) {
    const images = pin.images.filter((image) => !wanted.has(formatPinned(image)))
    if (images.length === pin.images.length) continue
    changes.push({ id, pin: images.length + pin.blobs.length > 0 ? { ...pin, images } : undefined })
  }
  return { images: [...wanted], changes }
}

function findImage(layout: Layout, { name, tag, digest }: ImageName, text: string): PinnedImage {
  if (tag !== undefined && isDigest(readTiny(layout.tagLink(name, tag)) ?? '')) return { name, tag }
  const found = digest === undefined ? undefined : findRevision(layout, name, digest)
  if (found !== undefined) return { name, digest: found }
  const isRepository = directoryIdentity(layout.repository(name)) !== undefined
  const what = tag !== undefined && isRepository ? `${name} has no tag ${tag}` : `${text} is not here`
  throw new Problem(what, { hint: `see what is: tarn ls --tags ${name}` })
}

function findRevision(layout: Layout, name: RepositoryName, prefix: string): Digest | undefined {
  const nothing = { onStray: () => undefined, onUnreadable: () => undefined }
  const { revisions } = readRepository(layout, name, nothing)
  return revisions.find(({ digest, target }) => target !== undefined && digest.startsWith(prefix))?.digest
}

function findPinned(pins: readonly StoredPin[], { name, tag, digest }: ImageName, text: string): string {
  const found = pins
    .flatMap(({ images }) => images)
    .find((image) => image.name === name && image.tag === tag && (image.digest ?? '').startsWith(digest ?? ''))
  if (found !== undefined) return formatPinned(found)
  throw new Problem(`${text} is not pinned`, { hint: 'see what is: tarn pin' })
}

// The same image gets the same pin, however often it is pinned.
function idOf(image: PinnedImage): string {
  return `image-${hexOf(digestOf(Buffer.from(formatPinned(image)))).slice(0, 20)}`
}
