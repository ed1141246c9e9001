// The header of one entry of a tar (POSIX.1-1988 "ustar" and GNU's variant): 512 bytes that come from a stranger. What two
// readers could take differently is refused.
import { BadArchive } from './bad-archive.ts'

export const BLOCK = 512

export type EntryKind =
  | 'file'
  | 'directory'
  | 'hard link'
  | 'symbolic link'
  | 'character device'
  | 'block device'
  | 'fifo'
  | 'contiguous file'
  | 'sparse file'
  | 'continued file'
  | 'volume label'
  | 'dumped directory'

/** What says something about the entry after it. */
export type Announcement = 'pax' | 'global pax' | 'long name' | 'long link'

export interface TarHeader {
  readonly name: string
  readonly kind: EntryKind | Announcement
  /** Bytes that follow. */
  readonly size: number
  /** What a link leads to; '' for all else. */
  readonly link: string
}

const KINDS: Readonly<Record<string, EntryKind | Announcement>> = {
  '0': 'file',
  '\0': 'file',
  '1': 'hard link',
  '2': 'symbolic link',
  '3': 'character device',
  '4': 'block device',
  '5': 'directory',
  '6': 'fifo',
  '7': 'contiguous file',
  x: 'pax',
  g: 'global pax',
  L: 'long name',
  K: 'long link',
  S: 'sparse file',
  M: 'continued file',
  V: 'volume label',
  D: 'dumped directory',
}

// Where the fields lie: offset and length.
const NAME = [0, 100] as const
const SIZE = [124, 12] as const
const CHECKSUM = [148, 8] as const
const TYPE = 156
const LINK = [157, 100] as const
const MAGIC = [257, 8] as const
const PREFIX = [345, 155] as const
const POSIX = 'ustar\x0000'
const GNU = 'ustar  \0'

/** Whether the block is one of the two that end an archive. */
export function isEmptyBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0)
}

/** Reads a header; throws a BadArchive whose sentence goes on after `where`. */
export function readHeader(block: Uint8Array, where: string): TarHeader {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength)
  const field = ([at, length]: readonly [number, number]): Buffer => bytes.subarray(at, at + length)
  const magic = field(MAGIC).toString('latin1')
  if (magic !== POSIX && magic !== GNU) throw new BadArchive(`${where} has no header of a tar`)
  if (readNumber(field(CHECKSUM), `${where}: the checksum`) !== sumOf(bytes))
    throw new BadArchive(`${where}: the checksum of its header is wrong`)
  const type = bytes.toString('latin1', TYPE, TYPE + 1)
  const kind = KINDS[type]
  if (kind === undefined) throw new BadArchive(`${where} is of a kind that is not known: type ${JSON.stringify(type)}`)
  const [prefix, last] = [magic === POSIX ? readText(field(PREFIX)) : '', readText(field(NAME))]
  const name = prefix === '' ? last : `${prefix}/${last}`
  const size = readNumber(field(SIZE), `${where}: the size`)
  return { name, kind, size, link: kind === 'hard link' || kind === 'symbolic link' ? readText(field(LINK)) : '' }
}

function sumOf(bytes: Uint8Array): number {
  let sum = 0
  for (const byte of bytes) sum += byte
  // The field itself counts as blanks.
  for (let at = CHECKSUM[0]; at < CHECKSUM[0] + CHECKSUM[1]; at++) sum += 0x20 - (bytes[at] ?? 0)
  return sum
}

/** Up to the first NUL, as bytes: UTF-8 is for whoever shows it. */
function readText(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return decodeName(end === -1 ? bytes : bytes.subarray(0, end))
}

/** The text of a name; bytes that are no UTF-8 come out as U+FFFD, which no name of a registry has. */
export function decodeName(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

// Octal digits ended by a blank or a NUL, or GNU's base 256, which begins with a set bit.
function readNumber(bytes: Buffer, what: string): number {
  const first = bytes[0] ?? 0
  if (first >= 0x80) {
    let value = first & 0x7f
    if (first === 0xff) throw new BadArchive(`${what} is negative`)
    for (const byte of bytes.subarray(1)) {
      value = value * 256 + byte
      if (!Number.isSafeInteger(value)) throw new BadArchive(`${what} is larger than any file`)
    }
    return value
  }
  const text = bytes.toString('latin1')
  const digits = /^ *([0-7]+)[ \0]*$/.exec(text)?.[1]
  if (digits === undefined) throw new BadArchive(`${what} is no number: ${JSON.stringify(text)}`)
  return Number.parseInt(digits, 8)
}
