// A release made for tests as a source of images, without a registry between; and one that spoils what it gives.
import type { Readable } from 'node:stream'
import { Readable as Stream } from 'node:stream'
import type { ImageManifest, ImageSource } from '../../src/exchange/image-source.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import type { FixtureBlob } from '../fixtures/release-content.ts'
import type { FixtureManifest } from '../fixtures/release-images.ts'
import type { PlacedImage } from '../fixtures/release-push.ts'

export interface CountedSource extends ImageSource {
  /** Digests of the blobs that were opened, in order. */
  readonly opened: readonly string[]
}

/** `spoil` takes the place of the bytes of a blob where it gives some. */
export function sourceOf(
  placed: readonly PlacedImage[],
  spoil: (digest: string) => Buffer | undefined = () => undefined,
): CountedSource {
  const manifests = new Map<string, FixtureManifest>()
  const blobs = new Map<string, FixtureBlob>()
  for (const { repository, image, tags } of placed) {
    for (const manifest of image.manifests) manifests.set(`${repository}@${manifest.digest}`, manifest)
    for (const tag of tags) manifests.set(`${repository}:${tag}`, image.top)
    for (const blob of image.blobs) blobs.set(blob.digest, blob)
  }
  const opened: string[] = []
  return {
    name: 'the fixture',
    opened,
    async *images() {},
    async readManifest(repository, reference): Promise<ImageManifest | undefined> {
      const name = reference.kind === 'tag' ? `${repository}:${reference.tag}` : `${repository}@${reference.digest}`
      const found = manifests.get(name)
      return found && { bytes: found.bytes, digest: parseDigest(found.digest), mediaType: found.mediaType }
    },
    async openBlob(_repository, { digest }): Promise<Readable> {
      opened.push(digest)
      const spoiled = spoil(digest)
      if (spoiled !== undefined) return Stream.from([spoiled])
      const blob = blobs.get(digest)
      if (blob === undefined) throw new Error(`the fixture has no blob ${digest}`)
      return blob.open()
    },
    listReferrers: async () => [],
    close: async () => undefined,
  }
}
