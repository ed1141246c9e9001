// Headers of a bundle's tar (POSIX.1-1988 ustar). Every entry has the same owner, modes and time, so that the same content
// makes the same bytes. A name or a size that ustar has no room for is written as GNU tar does: BusyBox, which the image of
// registry:2 has, does not read pax headers.

export const BLOCK = 512
/** Two blocks of zeros end a tar. */
export const TAR_END = 2 * BLOCK

const NAME_BYTES = 100
const PREFIX_BYTES = 155
const LARGEST_OCTAL = 8 ** 11 - 1
const LONG_LINK = '././@LongLink'

export interface HeaderFacts {
  /** ASCII; of a directory it ends with a slash. */
  readonly name: string
  readonly size: number
  /** Seconds since 1970. */
  readonly time: number
}

/** The header of a file or directory, with what goes before it when its name is long. */
export function writeHeader({ name, size, time }: HeaderFacts): Buffer {
  const isDirectory = name.endsWith('/')
  const mode = isDirectory ? 0o755 : 0o644
  const split = splitName(name)
  const facts = { mode, size, time, type: isDirectory ? '5' : '0' }
  if (split !== undefined) return writeBlock({ ...facts, ...split })
  const long = Buffer.alloc(padSize(name.length + 1))
  long.write(name, 'latin1')
  return Buffer.concat([
    writeBlock({ name: LONG_LINK, prefix: '', mode: 0o644, size: name.length + 1, time: 0, type: 'L' }),
    long,
    writeBlock({ ...facts, name: name.slice(0, NAME_BYTES), prefix: '' }),
  ])
}

/** How long `writeHeader` is for a name. */
export function headerSize(name: string): number {
  return splitName(name) === undefined ? 2 * BLOCK + padSize(name.length + 1) : BLOCK
}

/** `size` bytes with the zeros that fill the last block. */
export function padSize(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK
}

function splitName(name: string): { readonly name: string; readonly prefix: string } | undefined {
  if (name.length <= NAME_BYTES) return { name, prefix: '' }
  // The first slash after which no more than the name field holds is left.
  const slash = name.indexOf('/', name.length - NAME_BYTES - 1)
  if (slash <= 0 || slash > PREFIX_BYTES || slash === name.length - 1) return undefined
  return { name: name.slice(slash + 1), prefix: name.slice(0, slash) }
}

interface BlockFacts {
  readonly name: string
  readonly prefix: string
  readonly mode: number
  readonly size: number
  readonly time: number
  readonly type: string
}

function writeBlock({ name, prefix, mode, size, time, type }: BlockFacts): Buffer {
  const block = Buffer.alloc(BLOCK)
  block.write(name, 0, NAME_BYTES, 'latin1')
  writeOctal(block, 100, 7, mode)
  writeOctal(block, 108, 7, 0)
  writeOctal(block, 116, 7, 0)
  writeSize(block, size)
  writeOctal(block, 136, 11, time)
  block.write('        ', 148, 'latin1')
  block.write(type, 156, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  writeOctal(block, 329, 7, 0)
  writeOctal(block, 337, 7, 0)
  block.write(prefix, 345, PREFIX_BYTES, 'latin1')
  // Six digits, a zero byte, and the last of the eight spaces stays.
  writeOctal(
    block,
    148,
    6,
    block.reduce((sum, byte) => sum + byte, 0),
  )
  block[155] = 0x20
  return block
}

function writeOctal(block: Buffer, at: number, digits: number, value: number): void {
  block.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1')
}

/** From 8 GiB on in base 256, with the highest bit set. */
function writeSize(block: Buffer, size: number): void {
  if (size <= LARGEST_OCTAL) {
    writeOctal(block, 124, 11, size)
    return
  }
  block[124] = 0x80
  block.writeBigUInt64BE(BigInt(size), 128)
}
