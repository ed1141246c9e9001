// Manifests and a directory as facts, for tests of what a sync plans.
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { readManifest } from '../../src/oci/manifest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import type { Here, MeantImage, ReadImage } from '../../src/mirror/sync/plan.ts'
import type { FoundManifest } from '../../src/mirror/sync/wanted-manifests.ts'
import { hashOf } from './digest.ts'
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from './push.ts'

export interface ChildNotes {
  readonly platform?: string
  readonly builtFor?: FoundManifest
}

function find(document: unknown): FoundManifest {
  const bytes = Buffer.from(JSON.stringify(document))
  return { digest: digestOf(bytes), size: bytes.length, manifest: readManifest(bytes) }
}

function blob(name: string, size: number) {
  return { mediaType: OCI_CONFIG, digest: hashOf(name), size }
}

/** An image of these layers, each a name and its bytes; its config has 10 bytes and a name of its own. */
export function imageOf(name: string, layers: Readonly<Record<string, number>>): FoundManifest {
  const described = Object.entries(layers).map(([layer, size]) => blob(layer, size))
  return find({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: blob(`${name}-config`, 10), layers: described })
}

/** An index of these children, with what it says of them. */
export function indexOf(...children: readonly (readonly [FoundManifest, ChildNotes])[]): FoundManifest {
  const manifests = children.map(([{ digest, size, manifest }, { platform = 'unknown/unknown', builtFor }]) => {
    const [os, architecture, variant] = platform.split('/')
    const annotations = builtFor && { 'vnd.docker.reference.digest': builtFor.digest }
    return { mediaType: manifest.mediaType, digest, size, annotations, platform: { os, architecture, variant } }
  })
  return find({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })
}

/** By digest, as what was read of an upstream. */
export function readOf(...manifests: readonly FoundManifest[]): ReadonlyMap<Digest, FoundManifest> {
  return new Map(manifests.map((found) => [found.digest, found]))
}

/** An image that an upstream has as `app:TAG`. */
export function meantOf(tag: string, root: FoundManifest, more: Partial<ReadImage> = {}): ReadImage {
  const meant: MeantImage = {
    from: `up.example/app:${tag}`,
    to: 'app' as RepositoryName,
    tag: tag as Tag,
    platforms: 'all',
  }
  return { ...meant, root, read: new Map(), followers: [], ...more }
}

export interface HereFacts {
  /** `app:1` → where it leads; with a "!" before the name it was pushed. */
  readonly tags?: Readonly<Record<string, FoundManifest>>
  readonly manifests?: readonly FoundManifest[]
  /** Names of blobs. */
  readonly blobs?: readonly string[]
}

/** A directory whose one repository is `app`. */
export function hereOf({ tags = {}, manifests = [], blobs = [] }: HereFacts = {}): Here {
  const whole = new Set(manifests.map(({ digest }) => digest))
  const stored = new Set(blobs.map((name) => hashOf(name)))
  return {
    tag: (name, tag) => {
      const [ours, pushed] = [tags[`${name}:${tag}`], tags[`!${name}:${tag}`]]
      const found = ours ?? pushed
      return found && { digest: found.digest, isOurs: ours !== undefined }
    },
    isWhole: (name, digest) => name === 'app' && whole.has(digest),
    hasBlob: (digest) => stored.has(digest),
  }
}
