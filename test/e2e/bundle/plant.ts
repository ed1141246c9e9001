// A registry's data directory of a wanted size, written as registry:2 leaves one, by its own layout alone.
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface Planted {
  readonly repository: string
  readonly tag: string
  readonly digest: string
}

/** Plants images of one layer of `size` random bytes each; `first` numbers their tags. */
export function plantImages(data: string, count: number, size: number, first = 0): Planted[] {
  return Array.from({ length: count }, (_, at) => {
    const number = first + at
    const repository = `team/app${number % 4}`
    const config = { os: 'linux', architecture: 'amd64', created: '2026-02-03T04:05:06Z', number }
    const parts = [Buffer.from(JSON.stringify(config)), randomBytes(size)].map((bytes) => plantBlob(data, bytes))
    const [own, layer] = parts
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      config: { mediaType: 'application/vnd.docker.container.image.v1+json', ...own },
      layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', ...layer }],
    }
    const { digest } = plantBlob(data, Buffer.from(JSON.stringify(manifest)))
    const place = join(data, 'docker/registry/v2/repositories', repository)
    const tag = `v${number}`
    for (const part of parts) plantFile(join(place, '_layers/sha256', part.digest.slice(7), 'link'), part.digest)
    plantFile(join(place, '_manifests/revisions/sha256', digest.slice(7), 'link'), digest)
    plantFile(join(place, '_manifests/tags', tag, 'index/sha256', digest.slice(7), 'link'), digest)
    plantFile(join(place, '_manifests/tags', tag, 'current/link'), digest)
    return { repository, tag, digest }
  })
}

function plantBlob(data: string, bytes: Buffer): { readonly digest: string; readonly size: number } {
  const hex = createHash('sha256').update(bytes).digest('hex')
  plantFile(join(data, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data'), bytes)
  return { digest: `sha256:${hex}`, size: bytes.byteLength }
}

function plantFile(path: string, bytes: Buffer | string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
}
