// Tars for tests, block by block: good ones, and such as no program would write.
export interface TarPart {
  readonly name: string
  readonly bytes?: Uint8Array | string
  /** '0' unless given. */
  readonly type?: string
  readonly link?: string
  /** In place of the size of `bytes`. */
  readonly size?: number | string
  readonly checksum?: string
}

const BLOCK = 512
const padding = (length: number): Buffer => Buffer.alloc(Math.ceil(length / BLOCK) * BLOCK - length)

export function makeEntry({ name, bytes = '', type = '0', link = '', size, checksum }: TarPart): Buffer {
  const content = Buffer.from(bytes as Uint8Array)
  const header = Buffer.alloc(BLOCK)
  header.write(name, 0, 100, 'utf8')
  header.write('0000644\0', 100, 'latin1')
  header.write('0000000\0', 108, 'latin1')
  header.write('0000000\0', 116, 'latin1')
  const written = size ?? content.length
  header.write(typeof written === 'string' ? written : `${written.toString(8).padStart(11, '0')}\0`, 124, 12, 'latin1')
  header.write('00000000000\0', 136, 'latin1')
  header.write('        ', 148, 'latin1')
  header.write(type, 156, 'latin1')
  header.write(link, 157, 100, 'utf8')
  header.write('ustar\x0000', 257, 'latin1')
  const sum = header.reduce((all, byte) => all + byte, 0)
  header.write(checksum ?? `${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1')
  return Buffer.concat([header, content, padding(content.length)])
}

/** A pax record: `LENGTH KEY=VALUE\n`. */
export function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest + 1
  while (String(length).length + rest !== length) length = String(length).length + rest
  return `${length} ${key}=${value}\n`
}

export function makeTar(parts: readonly (TarPart | Buffer)[], end = Buffer.alloc(2 * BLOCK)): Buffer {
  return Buffer.concat([...parts.map((part) => (Buffer.isBuffer(part) ? part : makeEntry(part))), end])
}
