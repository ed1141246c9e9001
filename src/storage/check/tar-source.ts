// A tar of another data directory as a place to heal from: read once from its beginning to its end. It is a stranger's:
// nothing is extracted by its names; entries are only compared with what is wanted, and their bytes are hashed.
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { extract } from 'tar-stream'
import type { Digest } from '../../oci/digest.ts'
import { hexOf, isDigest, joinDigest } from '../../oci/digest.ts'
import type { Slice } from './slices.ts'
import type { LinkSource } from './source.ts'

export interface TarWishes {
  /** Digests with their sizes in bytes, where those are known. */
  readonly blobs: ReadonlyMap<Digest, number | undefined>
  /** Paths of links below the data directory; of tags also their histories. */
  readonly links: ReadonlySet<string>
  /** Takes what is said to be the blob; true when it was, so that no other copy of it is wanted. */
  take(digest: Digest, bytes: AsyncIterable<Uint8Array>): Promise<boolean>
  /** Takes a slice of it (Slices.take); true when the blob is whole by that. */
  takeSlice?(digest: Digest, slice: Slice, bytes: AsyncIterable<Uint8Array>): Promise<boolean>
}

const INSIDE = /(?:^|\/)(docker\/registry\/v2\/.*)$/s
const BLOB = /^docker\/registry\/v2\/blobs\/(sha256|sha512)\/([0-9a-f]{2})\/([0-9a-f]+)\/data$/
const SLICE = /^(docker\/registry\/v2\/blobs\/.+\/)slice-(\d{1,9})-of-(\d{1,9})$/
const HISTORY =
  /^(docker\/registry\/v2\/repositories\/.+\/_manifests\/tags\/[^/]+)\/index\/(sha256|sha512)\/([0-9a-f]+)\/link$/
const LONGEST_LINK = 200

export type TarKind = 'tar' | 'gzip' | 'zstd'

/** What the first bytes of the file say; undefined when it is no tar that can be read. */
export async function findTarKind(path: string): Promise<TarKind | undefined> {
  const handle = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(512), 0, 512, 0)
    if (buffer.readUInt16BE(0) === 0x1f8b) return 'gzip'
    if (buffer.readUInt32BE(0) === 0x28b52ffd) return 'zstd'
    return bytesRead === 512 && buffer.toString('latin1', 257, 262) === 'ustar' ? 'tar' : undefined
  } finally {
    await handle.close()
  }
}

/** Reads the tar once and takes from it what is wanted; gives what it says of links. Throws when it is broken. */
export async function readTar(
  path: string,
  kind: TarKind,
  wishes: TarWishes,
  signal?: AbortSignal,
): Promise<LinkSource> {
  const links = new Map<string, Digest>()
  const histories = new Map<string, Digest[]>()
  const wanted = new Map(wishes.blobs)
  const entries = extract()
  const through: Duplex[] = kind === 'tar' ? [] : [kind === 'gzip' ? createGunzip() : createZstdDecompress()]
  const reading = pipeline([createReadStream(path, { highWaterMark: 1024 * 1024 }), ...through, entries], { signal })
  // Waited for below; an entry's reader may fail first.
  reading.catch(() => undefined)

  for await (const entry of entries) {
    // An entry is a stream of streamx, whose types do not say that it can be read so.
    const bytes = entry as unknown as AsyncIterable<Uint8Array>
    const name = INSIDE.exec(entry.header.name)?.[1]
    const size = entry.header.size ?? 0
    const blob = name === undefined || entry.header.type !== 'file' ? undefined : blobOf(name)
    const slice = name === undefined || entry.header.type !== 'file' ? undefined : sliceOf(name)
    if (blob !== undefined && wanted.has(blob) && (wanted.get(blob) ?? size) === size) {
      if (await wishes.take(blob, bytes)) wanted.delete(blob)
    } else if (slice !== undefined && wanted.has(slice.digest)) {
      if (await wishes.takeSlice?.(slice.digest, slice, bytes)) wanted.delete(slice.digest)
    } else if (
      name !== undefined &&
      entry.header.type === 'file' &&
      size <= LONGEST_LINK &&
      isWanted(name, wishes.links)
    ) {
      keepLink(name, await readText(bytes), links, histories)
    }
    // What was not read is passed over.
    entry.resume()
  }
  await reading
  return {
    name: path,
    readLink: (link) => links.get(link),
    readHistory: (repository, tag) =>
      histories.get(`docker/registry/v2/repositories/${repository}/_manifests/tags/${tag}`) ?? [],
  }
}

function blobOf(name: string): Digest | undefined {
  const [, algorithm = '', shard, hex = ''] = BLOB.exec(name) ?? []
  const digest = joinDigest(algorithm, hex)
  return digest !== undefined && hexOf(digest).slice(0, 2) === shard ? digest : undefined
}

function sliceOf(name: string): (Slice & { readonly digest: Digest }) | undefined {
  const [, directory = '', number, of] = SLICE.exec(name) ?? []
  const digest = blobOf(`${directory}data`)
  return digest === undefined ? undefined : { digest, number: Number(number), of: Number(of) }
}

function isWanted(name: string, links: ReadonlySet<string>): boolean {
  const tag = HISTORY.exec(name)?.[1]
  return links.has(name) || (tag !== undefined && links.has(`${tag}/current/link`))
}

async function readText(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of bytes) pieces.push(piece)
  return Buffer.concat(pieces).toString('latin1')
}

// The last entry of a name counts, as where tar itself unpacks.
function keepLink(name: string, text: string, links: Map<string, Digest>, histories: Map<string, Digest[]>): void {
  if (isDigest(text)) links.set(name, text)
  const [, tag, algorithm = '', hex = ''] = HISTORY.exec(name) ?? []
  const digest = joinDigest(algorithm, hex)
  if (tag !== undefined && digest !== undefined) histories.set(tag, [...(histories.get(tag) ?? []), digest])
}
