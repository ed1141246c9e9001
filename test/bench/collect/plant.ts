// A large mirror on the disk, made in a minute: a million files and directories written one after the other, synchronously
// and without asking for anything twice, because a push of each would take hours.
import { createHash } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TYPES, describe, digestOf } from '../../e2e/durability/push.ts'
import { V2, blobFile, repositoryFolder, tagFolder } from '../../e2e/collect/files.ts'

/** What is pulled of one repository. */
export interface Planted {
  readonly name: string
  /** Digest of a small layer. */
  readonly layer: string
}

/** Blobs of one repository: a manifest, a config and eight layers, in no other repository. */
export const BLOBS_A_REPOSITORY = 10
const LAYERS = 8
const LAYER_BYTES = 1000
const GROUPS = 200

/** Writes so many repositories of one tagged image each below the empty directory `data`. */
export function plantMirror(data: string, repositories: number, progress: (line: string) => void): Planted[] {
  for (let shard = 0; shard < 256; shard++) {
    mkdirSync(join(data, V2, 'blobs/sha256', shard.toString(16).padStart(2, '0')), { recursive: true })
  }
  for (let group = 0; group < GROUPS; group++) mkdirSync(repositoryFolder(data, `group${group}`), { recursive: true })
  const planted: Planted[] = []
  for (let at = 0; at < repositories; at++) {
    const name = `group${at % GROUPS}/app${at}`
    planted.push({ name, layer: plantImage(data, name, at) })
    if ((at + 1) % 5000 === 0) progress(`planted ${(at + 1) * BLOBS_A_REPOSITORY} blobs`)
  }
  return planted
}

function plantImage(data: string, name: string, seed: number): string {
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', note: seed }))
  const parts = [config, ...Array.from({ length: LAYERS }, (_, at) => fill(`${seed} ${at}`))]
  const [first, ...layers] = parts.map((bytes, at) => describe(at === 0 ? TYPES.config : TYPES.layer, bytes))
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: TYPES.manifest, config: first, layers }))
  for (const bytes of [...parts, manifest]) plantBlob(data, bytes)
  const folder = repositoryFolder(data, name)
  const digests = parts.map((bytes) => digestOf(bytes))
  for (const below of [
    '',
    '_layers',
    '_layers/sha256',
    '_manifests',
    '_manifests/revisions',
    '_manifests/revisions/sha256',
  ]) {
    mkdirSync(join(folder, below))
  }
  for (const digest of digests) plantLink(join(folder, '_layers/sha256'), digest)
  const digest = digestOf(manifest)
  plantLink(join(folder, '_manifests/revisions/sha256'), digest)
  const tag = tagFolder(data, name, 'latest')
  for (const below of ['..', '.', 'current', 'index', 'index/sha256']) mkdirSync(join(tag, below))
  plantLink(join(tag, 'index/sha256'), digest)
  writeFileSync(join(tag, 'current/link'), digest)
  return digests[1] ?? ''
}

/** Takes the tag of a repository away, as a person does with rm: its image is for the next collection. */
export function untag(data: string, { name }: Planted): void {
  rmSync(tagFolder(data, name, 'latest'), { recursive: true })
}

// Bytes that no two blobs share, and that cost little.
function fill(seed: string): Buffer {
  return Buffer.alloc(LAYER_BYTES, createHash('sha256').update(seed).digest())
}

function plantBlob(data: string, bytes: Buffer): void {
  const file = blobFile(data, digestOf(bytes))
  mkdirSync(file.slice(0, -'/data'.length))
  writeFileSync(file, bytes)
}

function plantLink(folder: string, digest: string): void {
  const own = join(folder, digest.slice('sha256:'.length))
  mkdirSync(own)
  writeFileSync(join(own, 'link'), digest)
}
