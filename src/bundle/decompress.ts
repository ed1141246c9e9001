// What an archive is packed with, by its first bytes, and its bytes unpacked as a stream. A bomb is for whoever counts what
// comes out; the memory is bounded here.
import { Readable, pipeline } from 'node:stream'
import { constants, createGunzip, createZstdDecompress } from 'node:zlib'
import type { ByteSource } from '../storage/byte-source.ts'
import { BadArchive, CutShort } from './bad-archive.ts'
import { ByteReader } from './byte-reader.ts'

export type Packing = 'none' | 'gzip' | 'zstd'

const PIECE = 256 * 1024
/** 128 MiB, what zstd itself takes unless it is told otherwise. */
const LONGEST_WINDOW = 27
const HEAD = 512

// What else people pack with, so that they are told what to do about it.
const OTHERS: readonly (readonly [string, string])[] = [
  ['fd377a585a00', 'xz'],
  ['425a68', 'bzip2'],
  ['504b0304', 'zip'],
  ['04224d18', 'lz4'],
  ['1f9d', 'compress'],
]

/** The packing that the first bytes tell. Throws a BadArchive for one that is not taken. */
export function findPacking(head: Uint8Array): Packing {
  const hex = Buffer.from(head.subarray(0, 8)).toString('hex')
  if (hex.startsWith('1f8b')) return 'gzip'
  if (hex.startsWith('28b52ffd')) return 'zstd'
  const other = OTHERS.find(([magic]) => hex.startsWith(magic))?.[1]
  if (other === undefined) return 'none'
  throw new BadArchive(`the archive is packed with ${other}, which is not taken`, {
    hint: 'unpack it first; a tar, a tar.gz or a tar.zst is taken',
  })
}

/**
 * The archive's own bytes, whatever it is packed with. Throws BadArchive, and what `source` throws; whoever reads closes
 * the reader.
 */
export async function unpack(source: ByteSource): Promise<ByteReader> {
  const reader = new ByteReader(source)
  try {
    const head = await reader.peek(HEAD)
    if (head.byteLength === 0) throw new CutShort('the archive is empty')
    const packing = findPacking(head)
    return packing === 'none' ? reader : new ByteReader(unpackAs(packing, reader.rest()))
  } catch (error) {
    await reader.close()
    throw error
  }
}

async function* unpackAs(packing: 'gzip' | 'zstd', source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const engine =
    packing === 'gzip'
      ? createGunzip({ chunkSize: PIECE })
      : createZstdDecompress({ chunkSize: PIECE, params: { [constants.ZSTD_d_windowLogMax]: LONGEST_WINDOW } })
  let fed = 0
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      fed += chunk.byteLength
      yield chunk
    }
  }
  pipeline(Readable.from(counted(), { objectMode: false, highWaterMark: PIECE }), engine, () => undefined)
  try {
    for await (const chunk of engine) yield chunk as Uint8Array
  } catch (error) {
    throw explain(error, packing)
  } finally {
    engine.destroy()
  }
  if (engine.bytesWritten !== fed) throw new BadArchive(`something follows the end of what ${packing} packed`)
}

function explain(error: unknown, packing: string): unknown {
  const { code = '', message } = error as NodeJS.ErrnoException
  if (code === 'Z_BUF_ERROR' || /unexpected end/i.test(message))
    return new CutShort(`what ${packing} packed is cut short`, error)
  if (code.startsWith('Z_') || code.startsWith('ZSTD_') || code === 'ERR_ZSTD_INVALID_PARAM')
    return new BadArchive(`what ${packing} packed is damaged: ${message}`, { cause: error })
  return error
}
