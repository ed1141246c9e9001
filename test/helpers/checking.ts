// A data directory of small images as Tarn writes it, for tests that damage it, and a checker over it.
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { readManifest } from '../../src/oci/manifest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { parseTag } from '../../src/oci/reference.ts'
import type { CheckOptions, CheckReport, CheckerParts } from '../../src/registry/check.ts'
import { Checker } from '../../src/registry/check.ts'
import { Closures } from '../../src/registry/closures.ts'
import { imageOf, partOf, plantFile } from './plant.ts'
import type { TestStore } from './store.ts'
import { makeStore } from './store.ts'

export interface Image {
  readonly name: RepositoryName
  readonly tag: Tag
  readonly manifest: Digest
  readonly config: Digest
  readonly layer: Digest
}

/** Bytes that no zero page can leave as they are; the same for the same `seed`. */
export function makeBytes(seed: string, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += 1) bytes[at] = 1 + ((seed.charCodeAt(at % seed.length) * 31 + at * 7) % 255)
  bytes.write(`${seed}:`, 0)
  return bytes
}

/** Writes an image of one config and one layer with everything that a push writes, in files of long ago. */
export function plantImage(store: TestStore, repository: string, tag: string, layerBytes = 5000): Image {
  const name = parseRepositoryName(repository)
  const seed = `${repository}:${tag}`
  const config = Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64', config: { Labels: { seed } } }))
  const layer = makeBytes(seed, layerBytes)
  const manifest = imageOf(partOf(config), [partOf(layer)])
  plantStored(store, name, config)
  plantStored(store, name, layer)
  plantTagged(store, name, tag, manifest)
  return {
    name,
    tag: parseTag(tag),
    manifest: digestOf(manifest),
    config: digestOf(config),
    layer: digestOf(layer),
  }
}

/** Writes a blob with its link; gives its digest. */
export function plantStored({ layout }: TestStore, name: RepositoryName, bytes: Buffer): Digest {
  const digest = digestOf(bytes)
  plantFile(layout.blobData(digest), bytes)
  plantFile(layout.layerLink(name, digest), digest)
  return digest
}

/** Writes a manifest with its revision link, the tag and its history. */
export function plantTagged({ layout }: TestStore, name: RepositoryName, tag: string, bytes: Buffer): Digest {
  readManifest(bytes)
  const digest = digestOf(bytes)
  mkdirSync(layout.layers(name), { recursive: true })
  plantFile(layout.blobData(digest), bytes)
  plantFile(layout.revisionLink(name, digest), digest)
  plantFile(layout.tagIndexLink(name, parseTag(tag), digest), digest)
  plantFile(layout.tagLink(name, parseTag(tag)), digest)
  return digest
}

/** A store with two images in two repositories. */
export function makeImages(t: Test): { store: TestStore; one: Image; two: Image; root: string } {
  const root = join(t.testdir({}), 'data')
  mkdirSync(root)
  const store = makeStore(root)
  return { store, one: plantImage(store, 'team/a', 'v1'), two: plantImage(store, 'team/b', 'v1'), root }
}

/** Copies the data directory; gives where to. */
export function copyOf(store: TestStore, name = 'copy'): string {
  const copy = join(store.directory, '..', name)
  cpSync(store.directory, copy, { recursive: true })
  return copy
}

export function makeChecker(t: Pick<Test, 'teardown'>, store: TestStore, parts: Partial<CheckerParts> = {}): Checker {
  const checker = new Checker({
    store,
    closures: new Closures(store, store.clock),
    rules: { readOnly: () => undefined },
    settings: { rate: '1GB', within: 30 * 86_400_000 },
    clock: store.clock,
    ...parts,
  })
  t.teardown(() => checker.close())
  return checker
}

/** Checks once, without healing unless `options` says so. */
export function runCheck(
  t: Pick<Test, 'teardown'>,
  store: TestStore,
  options: Partial<CheckOptions> = {},
  parts: Partial<CheckerParts> = {},
): Promise<CheckReport> {
  return makeChecker(t, store, parts).run({ repair: false, fast: false, repositories: [], from: [], ...options })
}

/** A path below the data directory, as findings name it. */
export function inside(store: TestStore, path: string): string {
  return path.slice(store.directory.length + 1)
}
