// Records of pax headers (POSIX.1-2001 pax, "Extended Header"): `LENGTH KEY=VALUE\n`, which override what the header of an
// entry says. Only what a registry's tar can need is taken.
import { BadArchive } from './bad-archive.ts'
import { decodeName } from './read-header.ts'

export interface PaxRecords {
  readonly path?: string
  readonly link?: string
  readonly size?: number
}

const NEWLINE = 0x0a
const BLANK = 0x20
const EQUALS = 0x3d

// What says nothing about where the bytes go and how many they are.
const HARMLESS = /^(?:atime|ctime|mtime|uid|gid|uname|gname|comment|(?:SCHILY|LIBARCHIVE|RHT)\..+)$/

/**
 * Reads the records before one entry. Throws a BadArchive whose sentence goes on after `where`; for a key that nobody knows
 * too, unless `takesStrange`.
 */
export function readPax(bytes: Uint8Array, where: string, takesStrange = false): PaxRecords {
  const records = splitPax(bytes, where)
  let path: string | undefined
  let link: string | undefined
  let size: number | undefined
  for (const [key, value] of records) {
    if (key === 'path') path = value
    else if (key === 'linkpath') link = value
    else if (key === 'size') size = readSize(value, where)
    else if (key.startsWith('GNU.sparse.')) {
      throw new BadArchive(`${where} is a sparse file`, { hint: 'nothing was changed; make the tar without --sparse' })
    } else if (!takesStrange && !HARMLESS.test(key)) {
      throw new BadArchive(`${where} has a pax record that is not known: ${JSON.stringify(key.slice(0, 64))}`)
    }
  }
  return {
    ...(path !== undefined && { path }),
    ...(link !== undefined && { link }),
    ...(size !== undefined && { size }),
  }
}

/**
 * Reads a global header, which may hold no more than a comment: anything else would change entries from afar. With
 * `takesStrange` it may hold what says nothing about where bytes go and how many they are.
 */
export function checkGlobalPax(bytes: Uint8Array, where: string, takesStrange = false): void {
  for (const key of splitPax(bytes, where).keys()) {
    if (key === 'comment' || (takesStrange && !/^(?:path|linkpath|size|GNU\.sparse\..*)$/.test(key))) continue
    throw new BadArchive(`${where} would change all entries after it: ${JSON.stringify(key.slice(0, 64))}`)
  }
}

function readSize(text: string, where: string): number {
  const size = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN
  if (Number.isSafeInteger(size)) return size
  throw new BadArchive(`${where} has a pax size that is no number: ${JSON.stringify(text.slice(0, 64))}`)
}

function splitPax(bytes: Uint8Array, where: string): Map<string, string> {
  const records = new Map<string, string>()
  for (let at = 0; at < bytes.byteLength;) {
    const blank = bytes.indexOf(BLANK, at)
    const digits = Buffer.from(bytes.subarray(at, Math.min(blank === -1 ? at : blank, at + 10))).toString('latin1')
    const length = /^[1-9][0-9]*$/.test(digits) ? Number(digits) : NaN
    const end = at + length
    const equals = bytes.indexOf(EQUALS, blank)
    const isWhole = end <= bytes.byteLength && equals > blank && equals < end && bytes[end - 1] === NEWLINE
    if (!isWhole) throw new BadArchive(`${where} has a pax record that is torn`)
    const key = decodeName(bytes.subarray(blank + 1, equals))
    const value = decodeName(bytes.subarray(equals + 1, end - 1))
    if (records.has(key)) throw new BadArchive(`${where} has the pax record ${JSON.stringify(key.slice(0, 64))} twice`)
    // eslint-disable-next-line no-control-regex
    if ((key === 'path' || key === 'linkpath') && /[\u0000\n]/.test(value))
      throw new BadArchive(`${where} has a pax ${key} with a NUL or the end of a line in it`)
    records.set(key, value)
    at = end
  }
  return records
}
