// Where the files of a tar lie in it, found by going from header to header without reading what is between them. The tar is
// a stranger's: nothing is made by its names, and what two readers could take differently is refused.
import type { FileHandle } from 'node:fs/promises'
import { quoteText } from '../oci/json.ts'
import { UnreadableTree, joinInside } from './file-tree.ts'

export type IndexedEntry =
  | { readonly kind: 'file'; readonly at: number; readonly size: number }
  | { readonly kind: 'directory' }
  | { readonly kind: 'link'; readonly to: string }
  /** Another name of a file in this tar, by its path. */
  | { readonly kind: 'same'; readonly as: string }

const BLOCK = 512
const MOST_ENTRIES = 1_000_000
const LONGEST_RECORDS = 64 * 1024
const LONGEST_NAME = 4096
// All that is kept in memory for as long as the tar is open, and what of that an entry takes beside its names.
const MOST_KEPT = 128 * 1024 * 1024
const ENTRY_KEEPS = 200
// Writers fill up their last record.
const MOST_FILLING = 1024 * 1024

/**
 * Reads all headers. `name` is the file's, for messages; `most` the bytes of memory that what is kept may take. Throws an
 * UnreadableTree that says what is wrong and where.
 */
export async function indexTar(
  handle: FileHandle,
  name: string,
  most = MOST_KEPT,
): Promise<Map<string, IndexedEntry>> {
  const { size: end } = await handle.stat()
  const entries = new Map<string, IndexedEntry>()
  const refuse = (what: string): never => {
    throw new UnreadableTree(`${name}: ${what}`)
  }
  let announced: { path?: string; link?: string; size?: number } = {}
  let at = 0
  let kept = 0
  for (let number = 1; ; number++) {
    if (number > 4 * MOST_ENTRIES || entries.size > MOST_ENTRIES) refuse('it has more entries than can be true')
    const where = `entry ${number}`
    const block = await readAt(handle, at, BLOCK)
    if (block.length < BLOCK) refuse(`it is cut short after ${number - 1} entries: its end is missing`)
    if (block.every((byte) => byte === 0)) break
    const header = parseHeader(block, (what) => refuse(`${where} ${what}`))
    const size = 'gLKx'.includes(header.type) ? header.size : (announced.size ?? header.size)
    at += BLOCK
    const isFile = header.type === '0' || header.type === '\0' || header.type === '7'
    const follows = isFile || 'gLKx'.includes(header.type) ? size : 0
    if (at + follows > end) refuse(`it is cut short: ${where} ends ${at + follows - end} bytes after the file does`)
    if ('gLKx'.includes(header.type)) {
      if (size > LONGEST_RECORDS) refuse(`${where} has a name or records of ${size} bytes`)
      const bytes = await readAt(handle, at, size)
      announced = { ...announced, ...readAnnouncement(header.type, bytes, (what) => refuse(`${where} ${what}`)) }
    } else {
      const path = placeOf(announced.path ?? header.path, (what) => refuse(`${where} ${what}`))
      const entry = describe(header, { at, size, link: announced.link ?? header.link }, isFile)
      if (entry === undefined) refuse(`${where}, ${quoteText(path)}, is a sparse file or of a kind that is not known`)
      if (path !== '' && entry !== undefined) {
        const before = entries.get(path)
        if (before !== undefined && !(before.kind === 'directory' && entry.kind === 'directory'))
          refuse(`it has ${quoteText(path)} twice`)
        kept += ENTRY_KEEPS + memoryOf(path) + memoryOf(targetOf(entry))
        if (kept > most) refuse('it has more entries, or longer names, than can be true')
        if (entry.kind !== 'other') entries.set(path, entry)
      }
      announced = {}
    }
    at += Math.ceil(follows / BLOCK) * BLOCK
  }
  if (announced.path !== undefined || announced.link !== undefined) refuse('its last entry is missing')
  const rest = await readAt(handle, at, Math.min(MOST_FILLING, end - at))
  if (rest.some((byte) => byte !== 0)) refuse('something follows its end, which other programs would read or leave out')
  return entries
}

interface Header {
  readonly path: string
  readonly link: string
  readonly size: number
  readonly type: string
}

type Refuse = (what: string) => never

function parseHeader(block: Buffer, refuse: Refuse): Header {
  const field = (from: number, length: number): Buffer => block.subarray(from, from + length)
  const magic = field(257, 6).toString('latin1')
  const sum = block.reduce((all, byte, index) => all + (index >= 148 && index < 156 ? 0x20 : byte), 0)
  if (readNumber(field(148, 8)) !== sum) refuse('has no header of a tar')
  const size = readNumber(field(124, 12))
  if (size === undefined) return refuse('has a size that is no number')
  const prefix = magic === 'ustar\0' ? readText(field(345, 155)) : ''
  const name = readText(field(0, 100))
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    link: readText(field(157, 100)),
    size,
    type: block.toString('latin1', 156, 157),
  }
}

function describe(
  { type }: Header,
  { at, size, link }: { at: number; size: number; link: string },
  isFile: boolean,
): IndexedEntry | { readonly kind: 'other' } | undefined {
  if (isFile) return { kind: 'file', at, size }
  if (type === '5') return { kind: 'directory' }
  if (type === '2') return { kind: 'link', to: link }
  if (type === '1') {
    const as = joinInside('', link)
    return as === undefined || link.startsWith('/') ? { kind: 'other' } : { kind: 'same', as }
  }
  // Devices and pipes say nothing to us.
  return '346'.includes(type) ? { kind: 'other' } : undefined
}

/** The path of an entry in the tree. */
function placeOf(path: string, refuse: Refuse): string {
  if (path.length > LONGEST_NAME || path.includes('\0')) refuse('has a name that cannot be one')
  if (path.startsWith('/') || path.split('/').includes('..')) refuse(`lies outside: ${quoteText(path)}`)
  return joinInside('', path) ?? ''
}

function readAnnouncement(
  type: string,
  bytes: Buffer,
  refuse: Refuse,
): { path?: string; link?: string; size?: number } {
  if (type === 'L') return { path: readText(bytes) }
  if (type === 'K') return { link: readText(bytes) }
  const found: { path?: string; link?: string; size?: number } = {}
  for (let at = 0; at < bytes.length;) {
    const blank = bytes.indexOf(0x20, at)
    const length = Number(bytes.toString('latin1', at, blank === -1 ? at : blank))
    const record = bytes.subarray(blank + 1, at + length - 1).toString('utf8')
    const equals = record.indexOf('=')
    if (!Number.isSafeInteger(length) || length < 5 || at + length > bytes.length || equals < 1)
      refuse('has torn pax records')
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)]
    at += length
    if (key.startsWith('GNU.sparse.')) refuse('is a sparse file: make the tar without --sparse')
    // What holds for all entries after it would change them from afar.
    if (type === 'g') {
      if (['path', 'linkpath', 'size'].includes(key)) refuse(`changes the ${key} of all entries after it`)
      continue
    }
    if (key === 'path') found.path = value
    else if (key === 'linkpath') found.link = value
    else if (key === 'size') {
      if (!/^\d{1,15}$/.test(value)) refuse('has a size that is no number')
      found.size = Number(value)
    }
  }
  return found
}

function targetOf(entry: IndexedEntry | { readonly kind: 'other' }): string {
  return entry.kind === 'link' ? entry.to : entry.kind === 'same' ? entry.as : ''
}

// A text in which one letter is none of Latin-1 takes two bytes for each.
function memoryOf(text: string): number {
  return /[^\u0000-\u00ff]/.test(text) ? 2 * text.length : text.length
}

function readText(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end)
}

// Octal digits, or GNU's base 256, which begins with a set bit.
function readNumber(bytes: Buffer): number | undefined {
  if ((bytes[0] ?? 0) >= 0x80) {
    const value = bytes.subarray(1).reduce((all, byte) => all * 256 + byte, (bytes[0] ?? 0) & 0x7f)
    return Number.isSafeInteger(value) ? value : undefined
  }
  const digits = /^[ \0]*([0-7]+)[ \0]*$/.exec(bytes.toString('latin1'))?.[1]
  return digits === undefined ? undefined : Number.parseInt(digits, 8)
}

async function readAt(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  let read = 0
  while (read < length) {
    const { bytesRead } = await handle.read(bytes, read, length - read, at + read)
    if (bytesRead === 0) break
    read += bytesRead
  }
  return bytes.subarray(0, read)
}
