// A data directory as a tar: what `tar -cf - docker .tarn/state/signatures` would write of it, less what no registry
// serves. So a directory and a tar of one are taken in by the same code, here or by the registry that runs.
import { createReadStream } from 'node:fs'
import { existsSync, statSync } from 'node:fs'
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isTag } from '../oci/reference.ts'
import type { Layout } from '../storage/layout.ts'
import { childOf, createLayout } from '../storage/layout.ts'
import { listSigned, readSignatures } from '../storage/signatures.ts'
import { readTiny } from '../storage/stamp.ts'
import type { WalkReport } from '../storage/walk.ts'
import { isDirectory, readEntries, walkBlobs, walkRepositories } from '../storage/walk.ts'
import { BLOCK, TAR_END, padSize, writeHeader } from './tar-header.ts'

const PIECE = 1024 * 1024
// Where a data directory lies in what people name: itself, a home of ours, the checkout's, what registry:2 is given.
const PLACES = ['', 'data', 'storage/data', 'var/lib/registry']

/**
 * The data directory that `path` means: itself, or one below it in a usual place. Throws a Problem when there is none.
 */
export function findDataDirectory(path: string): string {
  const found = PLACES.map((place) => (place === '' ? path : childOf(path, place))).find((place) =>
    existsSync(createLayout(place).blobs),
  )
  if (found !== undefined) return found
  throw new Problem(`${path} is no data directory of a registry: docker/registry/v2/blobs is not in it`, {
    hint: 'name the directory that holds the directory docker',
  })
}

/** Bytes of all blobs, to tell how far a reading is. Synchronous. */
export function measureDirectory(directory: string): number {
  let bytes = 0
  for (const { data } of walkBlobs(createLayout(directory), SILENT))
    bytes += data === undefined ? 0 : padSize(data.size) + BLOCK
  return bytes
}

/**
 * The tar of the data directory `directory`: blobs, then links, then signatures. What cannot be read throws; a file that
 * changes while it is read does too.
 */
export async function* tarDirectory(directory: string): AsyncGenerator<Uint8Array> {
  const layout = createLayout(directory)
  const names = createLayout('')
  const header = (name: string, size: number): Buffer => writeHeader({ name: name.replace(/^\/+/, ''), size, time: 0 })
  for (const { digest, data } of walkBlobs(layout, STRICT)) {
    if (data === undefined) continue
    yield header(names.blobData(digest), data.size)
    yield* readFile(layout.blobData(digest), data.size)
  }
  for (const [name, digest] of listLinks(layout, names)) {
    yield header(name, digest.length)
    yield fill(Buffer.from(digest, 'latin1'))
  }
  for (const digest of listSigned(layout)) {
    for (const { number, bytes } of readSignatures(layout, digest)) {
      yield header(names.signature(digest, number), bytes.byteLength)
      yield fill(bytes)
    }
  }
  yield Buffer.alloc(TAR_END)
}

async function* readFile(path: string, size: number): AsyncGenerator<Uint8Array> {
  let read = 0
  if (size > 0) {
    for await (const chunk of createReadStream(path, { end: size - 1, highWaterMark: PIECE })) {
      read += (chunk as Buffer).byteLength
      yield chunk as Buffer
    }
  }
  if (read !== size || statSync(path).size !== size) {
    throw new Problem(`${path} changed while it was read`, { hint: 'end the program that writes there, and try again' })
  }
  const filling = padSize(size) - size
  if (filling > 0) yield Buffer.alloc(filling)
}

function fill(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(padSize(bytes.byteLength) - bytes.byteLength)])
}

/** Links that hold a digest, by their names in the tar; a tag's last. */
function* listLinks(layout: Layout, names: Layout): Generator<[name: string, digest: Digest]> {
  for (const repository of walkRepositories(layout, STRICT)) {
    yield* linksBelow(layout.layers(repository), names.layers(repository))
    yield* linksBelow(layout.revisions(repository), names.revisions(repository))
    yield* tagsOf(layout, names, repository)
  }
}

function* linksBelow(directory: string, name: string): Generator<[string, Digest]> {
  for (const algorithm of directoriesIn(directory)) {
    const below = childOf(directory, algorithm)
    for (const hex of directoriesIn(below)) {
      const link = readLink(childOf(childOf(below, hex), 'link'))
      if (link !== undefined) yield [`${name}/${algorithm}/${hex}/link`, link]
    }
  }
}

function* tagsOf(layout: Layout, names: Layout, repository: RepositoryName): Generator<[string, Digest]> {
  for (const tag of directoriesIn(layout.tags(repository))) {
    if (!isTag(tag)) continue
    const link = readLink(layout.tagLink(repository, tag))
    if (link !== undefined) yield [names.tagLink(repository, tag), link]
  }
}

function directoriesIn(path: string): string[] {
  return readEntries(path, STRICT).flatMap((entry) =>
    isDirectory(entry, childOf(path, entry.name)) ? [entry.name] : [],
  )
}

function readLink(path: string): Digest | undefined {
  const text = readTiny(path)
  return text !== undefined && isDigest(text) ? text : undefined
}

const SILENT: WalkReport = { onStray: () => undefined, onUnreadable: () => undefined }
/** What cannot be read may be half of somebody's registry. */
const STRICT: WalkReport = {
  onStray: () => undefined,
  onUnreadable(_path, error) {
    throw error
  },
}
