// One layer of a release image, read once as a stream for the files of its payload. The layer is a stranger's: nothing
// is extracted, names are only compared, and what is kept has bounds. Its bytes are hashed on their way, and what was
// found counts only when they were the digest's.
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { Transform } from 'node:stream'
import type { TransformCallback } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { extract } from 'tar-stream'
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf } from '../oci/digest.ts'
import { MARK } from './verification-map.ts'
import { wrong } from './payload.ts'

/** The files of a payload that anybody needs. */
export interface PayloadFiles {
  readonly imageReferences: Buffer | undefined
  readonly releaseMetadata: Buffer | undefined
  /** Manifests that may be the verification ConfigMap, in the order of the tar. */
  readonly marked: readonly Buffer[]
  /** How many manifests there are, and how many files of metadata, as `oc adm release info` counts them. */
  readonly manifests: number
  readonly metadataFiles: number
}

/** What a layer may be at most; a real one is a few MB. */
export interface LayerBounds {
  /** Bytes, unpacked. */
  readonly unpacked: number
  readonly entries: number
  /** Bytes of one file that is kept. */
  readonly file: number
  /** Files that mention the annotation of the verification ConfigMap. */
  readonly marked: number
}

export const LAYER_BOUNDS: LayerBounds = {
  unpacked: 2 * 1024 ** 3,
  entries: 500_000,
  file: 8 * 1024 ** 2,
  marked: 16,
}

const FOLDER = 'release-manifests/'

/**
 * Reads `bytes`, the layer as its registry gives it, to its end. `release` names the image in messages. Throws a Problem
 * for a layer that is not its digest's, that is no tar, or that is beyond its bounds; gives what there is of a payload.
 */
export async function readPayloadLayer(
  bytes: Readable,
  layer: Pick<Descriptor, 'digest' | 'mediaType'>,
  release: string,
  { bounds = LAYER_BOUNDS, signal }: { bounds?: LayerBounds; signal?: AbortSignal | undefined } = {},
): Promise<PayloadFiles> {
  const hash = createHash(algorithmOf(layer.digest))
  const watch = new Transform({
    transform(piece: Buffer, _encoding, done: TransformCallback) {
      hash.update(piece)
      done(null, piece)
    },
  })
  const entries = extract()
  const unpack = unpackerOf(layer.mediaType)
  const meter = makeMeter(bounds.unpacked, release)
  const reading = pipeline([bytes, watch, ...(unpack === undefined ? [] : [unpack]), meter, entries], {
    ...(signal && { signal }),
  })
  // Waited for below; an entry's reader may fail first.
  reading.catch(() => undefined)
  let found: PayloadFiles
  try {
    found = await readEntries(entries, release, bounds)
    await reading
  } catch (error) {
    signal?.throwIfAborted()
    bytes.destroy()
    if (isOurs(error) || !isFormat(error)) throw error
    throw wrong(release, `its layer ${layer.digest} cannot be unpacked (${(error as Error).message})`, error)
  }
  const digest = `${algorithmOf(layer.digest)}:${hash.digest('hex')}`
  if (digest !== layer.digest) throw wrong(release, `its layer ${layer.digest} has other bytes than its digest says`)
  return found
}

async function readEntries(
  entries: ReturnType<typeof extract>,
  release: string,
  bounds: LayerBounds,
): Promise<PayloadFiles> {
  const kept = new Map<string, Buffer>()
  const marked: Buffer[] = []
  const names = new Set<string>()
  let [seen, manifests, metadataFiles] = [0, 0, 0]
  for await (const entry of entries) {
    if (++seen > bounds.entries) throw wrong(release, `a layer of it has more than ${bounds.entries} files`)
    const { name: path, type } = entry.header
    const size = entry.header.size ?? 0
    const name = type === 'file' ? nameOf(path) : undefined
    if (name !== undefined) {
      // Two readers could see different releases.
      if (names.has(name)) throw wrong(release, `${FOLDER}${name} is there twice`)
      names.add(name)
      const isMain = name === 'image-references' || name === 'release-metadata'
      const isManifest = /\.(?:ya?ml|json)$/.test(name)
      if (isManifest) manifests += 1
      if (name === 'release-metadata') metadataFiles += 1
      if (size > bounds.file && isMain) throw wrong(release, `${FOLDER}${name} has ${size} bytes`)
      if (size <= bounds.file && (isMain || isManifest)) {
        const text = await readWhole(entry as unknown as AsyncIterable<Uint8Array>)
        if (isMain) kept.set(name, text)
        else if (text.includes(MARK) && marked.push(text) > bounds.marked)
          throw wrong(release, 'too many of its manifests say that they are its verification ConfigMap')
      }
    }
    // What was not read is passed over.
    entry.resume()
  }
  return {
    imageReferences: kept.get('image-references'),
    releaseMetadata: kept.get('release-metadata'),
    marked,
    manifests,
    metadataFiles,
  }
}

/** The name of a file right in the payload's folder; undefined for every other path, however it is written. */
function nameOf(path: string): string | undefined {
  const plain = path.replace(/^(?:\.?\/)+/, '')
  const name = plain.startsWith(FOLDER) ? plain.slice(FOLDER.length) : ''
  return name === '' || name.includes('/') ? undefined : name
}

async function readWhole(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of bytes) pieces.push(piece)
  return Buffer.concat(pieces)
}

function unpackerOf(mediaType: string) {
  if (/[.+]zstd$/.test(mediaType)) return createZstdDecompress()
  return /[.+]gzip$/.test(mediaType) ? createGunzip() : undefined
}

function makeMeter(most: number, release: string): Transform {
  let seen = 0
  return new Transform({
    transform(piece: Buffer, _encoding, done: TransformCallback) {
      seen += piece.length
      if (seen > most) done(wrong(release, `a layer of it unpacks to more than ${most} bytes`))
      else done(null, piece)
    },
  })
}

function isOurs(error: unknown): boolean {
  return error instanceof Error && 'hint' in error
}

// What zlib and the reader of tars say of bytes that are not theirs; the source's own failures go up as they are.
function isFormat(error: unknown): boolean {
  const { code = '', message } = error as NodeJS.ErrnoException
  return /^(?:Z_|ERR_ZSTD|ZSTD_|Z_BUF)/.test(code) || /tar|unexpected end|header|checksum/i.test(message)
}
