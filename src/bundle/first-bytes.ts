// The beginning of a bundle's file, compressed or not: enough to know which bundle it is.
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { constants, createZstdDecompress } from 'node:zlib'

const ZSTD_MAGIC = 0x28b52ffd
const WINDOW_LOG = 27

/** The first `length` bytes of the tar in the file, or all where there are fewer. Throws what the system and zstd say. */
export async function readFirstBytes(path: string, length: number): Promise<Buffer> {
  const stream = createReadStream(path, { highWaterMark: 256 * 1024 })
  // Who takes no more than the beginning ends the rest.
  const bytes = (await isZstd(path))
    ? pipeline(
        stream,
        createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG } }),
        () => undefined,
      )
    : stream
  const pieces: Buffer[] = []
  let have = 0
  for await (const piece of bytes) {
    pieces.push(piece as Buffer)
    have += (piece as Buffer).byteLength
    if (have >= length) break
  }
  stream.destroy()
  return Buffer.concat(pieces).subarray(0, length)
}

async function isZstd(path: string): Promise<boolean> {
  const handle = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0)
    return bytesRead === 4 && buffer.readUInt32BE(0) === ZSTD_MAGIC
  } finally {
    await handle.close()
  }
}
