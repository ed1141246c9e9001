// One part as a file: written under another name until it is whole, hashed on the way, compressed where that is wanted.
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open, rename, rm } from 'node:fs/promises'
import { constants, createZstdCompress } from 'node:zlib'
import type { ByteSink } from '../storage/block-writer.ts'
import type { HashThread } from '../storage/hash-thread.ts'

/** What stands behind the name of a file that is not whole. */
export const UNFINISHED = '.partial'

/** A window of 8 MiB: every reader of zstd takes that without being asked. */
const WINDOW_LOG = 23

/**
 * Makes the file `path` of what `write` gives to its sink; gives the SHA-256 of the file in hexadecimal. Whatever `write`
 * or the file system throws, nothing is left behind, and a file that was there is as it was.
 */
export async function writePartFile(
  path: string,
  hash: HashThread,
  { zstd }: { readonly zstd: boolean },
  write: (sink: ByteSink) => Promise<void>,
): Promise<string> {
  const unfinished = `${path}${UNFINISHED}`
  const handle = await open(unfinished, 'w')
  try {
    hash.start('sha256')
    const sink = makeFileSink(handle, hash)
    await (zstd ? compress(write, sink) : write(sink))
    const hex = await hash.digest()
    await handle.close()
    await rename(unfinished, path)
    return hex
  } catch (error) {
    await handle.close().catch(() => undefined)
    await rm(unfinished, { force: true })
    throw error
  }
}

function makeFileSink(handle: FileHandle, hash: HashThread): ByteSink {
  return async (chunk) => {
    // The command has nothing else to do: to let another thread write took longer.
    for (let done = 0; done < chunk.byteLength;) done += writeSync(handle.fd, chunk, done)
    await hash.update(chunk)
  }
}

async function compress(write: (sink: ByteSink) => Promise<void>, sink: ByteSink): Promise<void> {
  const stream = createZstdCompress({
    chunkSize: 1024 * 1024,
    params: { [constants.ZSTD_c_checksumFlag]: 1, [constants.ZSTD_c_windowLog]: WINDOW_LOG },
  })
  const taking = (async () => {
    for await (const chunk of stream) await sink(chunk as Buffer)
  })()
  taking.catch((error: unknown) => stream.destroy(error as Error))
  try {
    await write(
      (chunk) =>
        new Promise<void>((resolve, reject) => {
          stream.write(chunk, (error) => (error ? reject(error) : resolve()))
        }),
    )
    stream.end()
    await taking
  } catch (error) {
    stream.destroy()
    if (!stream.closed) await once(stream, 'close').catch(() => undefined)
    await taking.catch(() => undefined)
    throw error
  }
}
