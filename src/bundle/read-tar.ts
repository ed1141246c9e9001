// A tar read once, as a stream, from one whom nobody trusts. Entries are told with what they claim to be; nothing is made
// by their names. What GNU tar and others write for a directory of files is taken; what two readers could take differently
// is refused: the archive as a whole, with a sentence that says why.
import type { ByteSource } from '../storage/byte-source.ts'
import { BadArchive, CutShort, describeEntry } from './bad-archive.ts'
import { ByteReader } from './byte-reader.ts'
import { checkGlobalPax, readPax } from './pax.ts'
import type { PaxRecords } from './pax.ts'
import { BLOCK, decodeName, isEmptyBlock, readHeader } from './read-header.ts'
import type { EntryKind } from './read-header.ts'

export interface TarEntry {
  /** From 1; headers that only announce another count as part of that. */
  readonly number: number
  /** As it is written, but for the slash at the end of a directory's. */
  readonly name: string
  readonly kind: EntryKind
  /** What a link leads to, as it is written; '' for all else. */
  readonly link: string
  /** Bytes. */
  readonly size: number
  /** Where its bytes begin in the tar as it is when it is not compressed. */
  readonly offset: number
  /** All that stands before its bytes: its header, and those that announce it. */
  readonly head: Uint8Array
  /** `entry 3, "data/…"`, for messages. */
  readonly where: string
  /** Its bytes, to be read before the next entry is asked for; what is not read is passed over. */
  readonly bytes: ByteSource
}

export interface TarLimits {
  /** Entries of whatever kind. */
  readonly entries: number
  /** Bytes of a header that announces another: a name, pax records. */
  readonly announcement: number
  /** Bytes of zeros after the two blocks that end it: writers fill up their last record, of 10 KiB unless told otherwise. */
  readonly filling: number
  /** Whether pax records that nobody knows are passed over, and not refused. */
  readonly strangeRecords: boolean
}

export const TAR_LIMITS: TarLimits = {
  entries: 20_000_000,
  announcement: 64 * 1024,
  filling: 1024 * 1024,
  strangeRecords: false,
}

const WITH_BYTES: ReadonlySet<EntryKind> = new Set(['file', 'contiguous file', 'sparse file', 'continued file'])
const PIECE = 1024 * 1024

/** Reads the entries one after the other. Throws BadArchive for what no tar of a registry has; what the source throws. */
export async function* readTar(
  source: ByteSource | ByteReader,
  limits: TarLimits = TAR_LIMITS,
): AsyncGenerator<TarEntry> {
  const reader = source instanceof ByteReader ? source : new ByteReader(source)
  try {
    for (let number = 1; ; number++) {
      if (number > limits.entries) throw new BadArchive(`the archive has more than ${limits.entries} entries`)
      const head = await readHead(reader, number, limits)
      if (head === undefined) break
      const { name, kind, size, link } = head.facts
      const rest: Rest = { left: size, isOpen: true }
      const where = describeEntry(number, name)
      const bytes = readBytes(reader, rest, where)
      yield { number, name, kind, link, size, offset: reader.position, head: head.bytes, where, bytes }
      rest.isOpen = false
      await passOver(reader, rest.left, where)
      await checkFilling(reader, size, where)
    }
    await checkEnd(reader, limits.filling)
  } finally {
    await reader.close()
  }
}

interface Head {
  readonly name: string
  readonly kind: EntryKind
  readonly size: number
  readonly link: string
}

/** The header of an entry with all that was announced before it; undefined at the end of the archive. */
async function readHead(
  reader: ByteReader,
  number: number,
  limits: TarLimits,
): Promise<{ readonly facts: Head; readonly bytes: Uint8Array } | undefined> {
  const parts: Uint8Array[] = []
  let longName: string | undefined
  let longLink: string | undefined
  let pax: PaxRecords | undefined
  for (let announced = 0; ; announced++) {
    const where = `entry ${number}`
    const block = await reader.exactly(BLOCK)
    if (block === undefined) throw new CutShort(`the end of the archive is missing after ${number - 1} entries`)
    parts.push(block)
    if (isEmptyBlock(block)) {
      if (announced > 0) throw new BadArchive(`${where} was announced and is missing`)
      return undefined
    }
    const header = readHeader(block, where)
    const { kind, size } = header
    switch (kind) {
      case 'pax':
      case 'global pax':
      case 'long name':
      case 'long link': {
        if (announced >= 4) throw new BadArchive(`${where} is announced again and again`)
        const bytes = await readAnnouncement(reader, size, where, limits)
        parts.push(bytes, Buffer.alloc(fillingOf(size)))
        if (kind === 'global pax') checkGlobalPax(bytes, where, limits.strangeRecords)
        else if (kind === 'pax') {
          if (pax !== undefined) throw new BadArchive(`${where} has two pax headers`)
          pax = readPax(bytes, where, limits.strangeRecords)
        } else if (kind === 'long name') {
          if (longName !== undefined) throw new BadArchive(`${where} has two long names`)
          longName = readLongName(bytes, where)
        } else {
          if (longLink !== undefined) throw new BadArchive(`${where} has two long links`)
          longLink = readLongName(bytes, where)
        }
        break
      }
      default:
        return {
          facts: settle({ name: header.name, kind, size, link: longLink ?? header.link }, longName, pax, number),
          bytes: parts.length === 1 ? block : Buffer.concat(parts),
        }
    }
  }
}

async function readAnnouncement(
  reader: ByteReader,
  size: number,
  where: string,
  limits: TarLimits,
): Promise<Uint8Array> {
  if (size > limits.announcement) throw new BadArchive(`${where} has a header of ${size} bytes`)
  const bytes = size === 0 ? new Uint8Array() : await reader.exactly(size)
  if (bytes === undefined) throw new CutShort(`${where} is cut short`)
  await checkFilling(reader, size, where)
  return bytes
}

function readLongName(bytes: Uint8Array, where: string): string {
  const end = bytes.indexOf(0)
  if (end !== bytes.byteLength - 1)
    throw new BadArchive(`${where} has a long name with a NUL in it, or without its end`)
  return decodeName(bytes.subarray(0, end))
}

function settle(header: Head, longName: string | undefined, pax: PaxRecords | undefined, number: number): Head {
  const where = `entry ${number}`
  if (longName !== undefined && pax?.path !== undefined) throw new BadArchive(`${where} has two names`)
  const name = pax?.path ?? longName ?? header.name
  const size = pax?.size ?? header.size
  // Before there was a type for directories, a slash at the end told them.
  const kind = header.kind === 'file' && name.endsWith('/') ? 'directory' : header.kind
  if (name === '') throw new BadArchive(`${where} has no name`)
  if (!WITH_BYTES.has(kind) && size > 0)
    throw new BadArchive(`${describeEntry(number, name)} is a ${kind} and has ${size} bytes`)
  return {
    name: kind === 'directory' ? name.replace(/\/+$/, '') || '/' : name,
    kind,
    size,
    link: kind === 'hard link' || kind === 'symbolic link' ? (pax?.link ?? header.link) : '',
  }
}

interface Rest {
  left: number
  /** False when another entry is being read. */
  isOpen: boolean
}

function readBytes(reader: ByteReader, rest: Rest, where: string): ByteSource {
  const take = (size: number): void => {
    if (size === 0) throw cutInside(where, rest.left)
    rest.left -= size
  }
  const requireOpen = (): void => {
    if (!rest.isOpen) throw new Error(`${where} was read too late`)
  }
  return {
    async *[Symbol.asyncIterator]() {
      while (rest.left > 0) {
        requireOpen()
        const part = await reader.some(Math.min(rest.left, PIECE))
        take(part?.byteLength ?? 0)
        if (part !== undefined) yield part
      }
    },
    async readInto(into) {
      if (rest.left === 0) return 0
      requireOpen()
      const size = await reader.into(into.subarray(0, rest.left))
      take(size)
      return size
    },
  }
}

async function passOver(reader: ByteReader, size: number, where: string): Promise<void> {
  const passed = await reader.pass(size)
  if (passed < size) throw cutInside(where, size - passed)
}

function cutInside(where: string, left: number): CutShort {
  return new CutShort(`the archive is cut short: ${where} lacks its last ${left} bytes`)
}

function fillingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK
}

/** What fills an entry's last block. */
async function checkFilling(reader: ByteReader, size: number, where: string): Promise<void> {
  const filling = fillingOf(size)
  if (filling === 0) return
  const bytes = await reader.exactly(filling)
  if (bytes === undefined) throw new CutShort(`the archive is cut short after ${where}`)
  if (!isEmptyBlock(bytes)) throw new BadArchive(`${where} is followed by bytes that belong to nothing`)
}

/** After the first of the two empty blocks: nothing but zeros, and not without an end. */
async function checkEnd(reader: ByteReader, most: number): Promise<void> {
  const second = await reader.exactly(BLOCK)
  if (second === undefined) throw new CutShort('the last block of the archive is missing')
  if (!isEmptyBlock(second)) throw new BadArchive('an empty block stands between the entries of the archive')
  let filling = 0
  for (;;) {
    const part = await reader.some(PIECE)
    if (part === undefined) return
    if (!isEmptyBlock(part)) {
      throw new BadArchive('something follows the end of the archive', {
        hint: 'nothing was changed; archives that were joined are taken one by one',
      })
    }
    filling += part.byteLength
    if (filling > most) throw new BadArchive('the archive goes on with empty blocks after its end')
  }
}
