// A data directory with images of every shape that a bundle must carry, planted as another program would leave them.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf } from '../../src/oci/digest.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { sliceDigestsOf } from '../../src/bundle/hash-slices.ts'
import type { HeldPick } from '../../src/bundle/pick.ts'
import { pickImages } from '../../src/bundle/pick.ts'
import type { PickOptions } from '../../src/bundle/picked.ts'
import type { Plan, PlanOptions } from '../../src/bundle/plan.ts'
import { planBundle } from '../../src/bundle/plan.ts'
import { imageOf, indexOf, partOf, plantBlob, plantFile, plantManifest } from './plant.ts'
import type { TestStore } from './store.ts'
import { A, B, makeStore } from './store.ts'

export const EVERYTHING: PickOptions = { images: [], platforms: [], referrers: true, keepTags: false }
export const CREATED = Date.parse('2026-03-04T05:06:07Z') / 1000

/** Plants an image with its tag links as registry:2 writes them; gives its digest and the bytes of its manifest. */
export function plantImage(
  store: TestStore,
  name: RepositoryName,
  note: string,
  tag?: string,
  options: { readonly created?: string; readonly layer?: Buffer; readonly more?: object } = {},
): { readonly digest: Digest; readonly bytes: Buffer } {
  const { created = '2026-01-01T00:00:00Z', layer = Buffer.from(`layer ${note}`), more = {} } = options
  const config = Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64', created, note }))
  for (const bytes of [config, layer]) plantBlob(store, name, bytes)
  const bytes = imageOf(partOf(config), [partOf(layer)], more)
  const digest = plantManifest(store, name, bytes, tag === undefined ? undefined : parseTag(tag))
  if (tag !== undefined) plantFile(store.layout.tagIndexLink(name, parseTag(tag), digest), digest)
  return { digest, bytes }
}

export function plantIndex(store: TestStore, name: RepositoryName, children: readonly Buffer[], tag: string): Digest {
  const platforms = [
    { os: 'linux', architecture: 'amd64' },
    { os: 'linux', architecture: 'arm64' },
  ]
  const parts = children.map((bytes, at) => ({ ...partOf(bytes), platform: platforms[at] }))
  const digest = plantManifest(store, name, indexOf(parts), parseTag(tag))
  plantFile(store.layout.tagIndexLink(name, parseTag(tag), digest), digest)
  return digest
}

export interface Shapes {
  readonly plain: Digest
  readonly amd64: Digest
  readonly arm64: Digest
  readonly index: Digest
  readonly referrer: Digest
  readonly cosign: Digest
  readonly untagged: Digest
}

/**
 * In A: a plain image of two tags, an index of two platforms with a referrer by subject and a signature by tag, an image
 * without a tag, and one whose layer is missing. In B: an index that has no layers at all.
 */
export function plantShapes(store: TestStore): Shapes {
  const plain = plantImage(store, A, 'plain', 'v1', { created: '2026-03-04T05:06:07.89Z' })
  plantFile(store.layout.tagLink(A, parseTag('latest')), plain.digest)
  plantFile(store.layout.tagIndexLink(A, parseTag('latest'), plain.digest), plain.digest)
  const [amd64, arm64] = [plantImage(store, A, 'amd64'), plantImage(store, A, 'arm64')]
  const index = plantIndex(store, A, [amd64.bytes, arm64.bytes], 'multi')
  const subject = { mediaType: 'application/vnd.oci.image.manifest.v1+json', ...partOf(amd64.bytes) }
  const referrer = plantImage(store, A, 'sbom', undefined, { more: { subject, artifactType: 'example/sbom' } })
  const cosign = plantImage(store, A, 'signature', `${index.replace(':', '-')}.sig`)
  const untagged = plantImage(store, A, 'untagged')
  const broken = plantImage(store, A, 'broken', 'broken', { layer: Buffer.from('lost') })
  plantFile(store.layout.blobData(digestOf(Buffer.from('lost'))), '')
  plantFile(store.layout.tagLink(B, parseTag('empty')), plantManifest(store, B, indexOf([])))
  mkdirSync(store.layout.layers(B), { recursive: true })
  const digests = { plain, amd64, arm64, referrer, cosign, untagged, broken }
  const named = Object.fromEntries(Object.entries(digests).map(([key, { digest }]) => [key, digest]))
  return { ...named, index } as unknown as Shapes
}

export function makeBundleStore(directory: string): TestStore {
  const data = join(directory, 'docker-data')
  mkdirSync(data)
  return makeStore(data)
}

/** Picks and plans; what was held is let go. */
export async function plan(
  store: TestStore,
  pick: Partial<PickOptions> = {},
  options: Partial<PlanOptions> = {},
): Promise<Plan & Pick<HeldPick, 'picked'>> {
  const { picked, release } = await pickImages(store, { ...EVERYTHING, ...pick }, store.clock() / 1000)
  release()
  const settled = {
    known: new Map<Digest, number>(),
    buildsOn: [],
    sequence: 1,
    created: undefined,
    partSize: undefined,
  }
  const planned = await planBundle(picked, { ...settled, ...options }, sliceDigestsOf(store.layout))
  return { ...planned, picked }
}

/** Every file below a directory with its bytes, as latin1. */
export function readTree(directory: string): Map<string, string> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return new Map(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path): [string, string] => [path.slice(directory.length + 1), readFileSync(path, 'latin1')])
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** Unpacks tars one after the other with the system's tar; gives the directory of the data. */
export function untar(directory: string, ...tars: readonly string[]): string {
  mkdirSync(directory, { recursive: true })
  for (const tar of tars) execFileSync('tar', ['-xf', tar, '-C', directory])
  return join(directory, 'data')
}
