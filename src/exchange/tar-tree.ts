// A tar as a tree of files, each read where it lies. A tar that is compressed is unpacked to a private file first, since its
// files cannot be reached else; what it becomes is bounded.
import type { FileHandle } from 'node:fs/promises'
import { mkdtemp, open, rm, statfs } from 'node:fs/promises'
import { createReadStream, createWriteStream } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGunzip, createZstdDecompress } from 'node:zlib'
import { findTarKind } from '../storage/check/tar-source.ts'
import { quoteText } from '../oci/json.ts'
import type { FileTree, TreeEntry } from './file-tree.ts'
import { UnreadableTree, resolveLink } from './file-tree.ts'
import type { IndexedEntry } from './tar-index.ts'
import { indexTar } from './tar-index.ts'

const MOST_LINKS = 8
// Each takes some hundred bytes of memory; a path of a few kilobytes can name a thousand, all of which are read.
const MOST_DIRECTORIES = 250_000
const MOST_LETTERS = 32 * 1024 * 1024
// Layers are compressed already: what grows more than this is no archive of images.
const MOST_TIMES = 200
const FREE_OF_CHARGE = 64 * 1024 * 1024
const MUST_STAY_FREE = 256 * 1024 * 1024
const PIECE = 512 * 1024

export interface TarTreeOptions {
  readonly signal?: AbortSignal | undefined
  /** Where a compressed one is unpacked; the system's place for such files unless given. */
  readonly temporary?: string
}

/** Opens the tar at `path`, compressed or not. Throws an UnreadableTree for what is none. */
export async function openTarTree(path: string, options: TarTreeOptions = {}): Promise<FileTree> {
  const kind = await findTarKind(path)
  if (kind === undefined) throw new UnreadableTree(`${path} is no tar, nor one that gzip or zstd compressed`)
  const { handle, remove } =
    kind === 'tar' ? { handle: await open(path, 'r'), remove: undefined } : await unpack(path, kind, options)
  const close = async (): Promise<void> => {
    await handle.close()
    await remove?.()
  }
  try {
    return makeTree(path, handle, await indexTar(handle, path), close)
  } catch (error) {
    await close()
    throw error
  }
}

function makeTree(
  name: string,
  handle: FileHandle,
  entries: ReadonlyMap<string, IndexedEntry>,
  close: () => Promise<void>,
): FileTree {
  const below = groupByDirectory(name, entries)
  const locate = (path: string): { readonly at: number; readonly size: number } | undefined => {
    let place = path
    for (let links = 0; links < MOST_LINKS; links++) {
      const entry = entries.get(place)
      if (entry?.kind === 'file') return entry
      const next = entry?.kind === 'link' ? resolveLink(place, entry.to) : entry?.kind === 'same' ? entry.as : undefined
      if (next === undefined) return undefined
      place = next
    }
    return undefined
  }
  const describe = (path: string): TreeEntry | undefined => {
    const entry = entries.get(path)
    if (entry?.kind === 'link') return entry
    const file = locate(path)
    if (file !== undefined) return { kind: 'file', size: file.size }
    // Directories need no entry of their own.
    return path === '' || below.has(path) || entry?.kind === 'directory' ? { kind: 'directory' } : undefined
  }
  return {
    name,
    find: async (path) => describe(path),
    size: async (path) => locate(path)?.size,
    async list(path) {
      const listed = new Map<string, TreeEntry>()
      for (const child of below.get(path) ?? []) {
        const entry = describe(path === '' ? child : `${path}/${child}`)
        if (entry !== undefined) listed.set(child, entry)
      }
      return listed
    },
    async open(path) {
      const file = locate(path)
      if (file === undefined) throw new UnreadableTree(`${name}: ${quoteText(path)} is not in it`)
      return Readable.from(readPart(handle, file.at, file.size), { objectMode: false })
    },
    close,
  }
}

function groupByDirectory(
  name: string,
  entries: ReadonlyMap<string, IndexedEntry>,
): ReadonlyMap<string, ReadonlySet<string>> {
  const below = new Map<string, Set<string>>()
  let letters = 0
  for (const path of entries.keys()) {
    let child = path
    for (;;) {
      const slash = child.lastIndexOf('/')
      const directory = slash === -1 ? '' : child.slice(0, slash)
      const known = below.get(directory)
      if (known === undefined) below.set(directory, new Set([child.slice(slash + 1)]))
      else known.add(child.slice(slash + 1))
      letters += known === undefined ? directory.length : 0
      if (below.size > MOST_DIRECTORIES || letters > MOST_LETTERS)
        throw new UnreadableTree(`${name}: it has more directories than can be true`)
      // What is above a directory that is known already is known too.
      if (directory === '' || known !== undefined) break
      child = directory
    }
  }
  return below
}

async function* readPart(handle: FileHandle, from: number, size: number): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < size;) {
    const { buffer, bytesRead } = await handle.read(
      Buffer.allocUnsafe(Math.min(PIECE, size - done)),
      0,
      undefined,
      from + done,
    )
    if (bytesRead === 0) return
    done += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

async function unpack(
  path: string,
  kind: 'gzip' | 'zstd',
  { signal, temporary = tmpdir() }: TarTreeOptions,
): Promise<{ readonly handle: FileHandle; readonly remove: () => Promise<void> }> {
  const directory = await mkdtemp(join(temporary, 'tarn-unpacked-'))
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true })
  const unpacked = join(directory, 'tar')
  // A window of 128 MiB is the most that a stranger may make us hold.
  const through =
    kind === 'gzip' ? createGunzip() : createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 27 } })
  const input = createReadStream(path, { highWaterMark: PIECE })
  try {
    await pipeline(
      input,
      through,
      bound(path, directory, () => input.bytesRead),
      createWriteStream(unpacked, { mode: 0o600 }),
      { signal },
    )
    return { handle: await open(unpacked, 'r'), remove }
  } catch (error) {
    await remove()
    const { code = '' } = error as NodeJS.ErrnoException
    if (!/^(?:Z_|ZSTD_)/.test(code)) throw error
    throw new UnreadableTree(`${path} cannot be unpacked: it is damaged or cut short`, { cause: error })
  }
}

function bound(path: string, directory: string, read: () => number): Transform {
  let written = 0
  let looked = 0
  return new Transform({
    highWaterMark: PIECE,
    transform(chunk: Buffer, _encoding, done) {
      written += chunk.byteLength
      if (written > FREE_OF_CHARGE && written > MOST_TIMES * read()) {
        done(new UnreadableTree(`${path} unpacks to more than ${MOST_TIMES} times its size`))
      } else if (written - looked < FREE_OF_CHARGE) {
        done(null, chunk)
      } else {
        looked = written
        statfs(directory).then(
          ({ bavail, bsize }) => {
            const hint = `unpack it elsewhere and name what comes out, or name a larger place in TMPDIR`
            if (bavail * bsize > MUST_STAY_FREE) done(null, chunk)
            else done(new UnreadableTree(`there is no room in ${directory} to unpack ${path}`, { hint }))
          },
          (error: Error) => done(error),
        )
      }
    },
  })
}
