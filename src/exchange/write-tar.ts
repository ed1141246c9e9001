// Files of an archive into a new tar (POSIX.1-1988 ustar), one after the other. How long a file is need not be known before
// it is written: its header is put before it when it is.
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open, rename, rm } from 'node:fs/promises'
import { Problem } from '../config/problem.ts'
import { Mutex } from '../storage/mutex.ts'
import { statFile } from '../storage/stamp.ts'
import type { TreeWriter } from './tree-writer.ts'

const BLOCK = 512
const LONGEST_NAME = 100
const LARGEST_OCTAL = 8 ** 11 - 1

/** Begins a tar at `path`, which must not be there: until `close` it lies under another name. Throws a Problem. */
export async function writeTar(path: string): Promise<TreeWriter> {
  if (statFile(path) !== undefined)
    throw new Problem(`${path} is there already`, { hint: 'name another file, or move that one away' })
  const own = `${path}.unfinished`
  // An earlier run that was killed leaves it.
  await rm(own, { force: true })
  const handle = await open(own, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o644)
  const sizes = new Map<string, number>()
  const mutex = new Mutex()
  let end = 0
  return {
    name: path,
    size: async (name) => sizes.get(name),
    write: (name, bytes) =>
      mutex.run('', async () => {
        // The first one counts: a tar cannot take anything back.
        if (sizes.has(name)) return
        let size = 0
        for await (const chunk of bytes instanceof Uint8Array ? [bytes] : bytes) {
          await writeAt(handle, chunk as Uint8Array, end + BLOCK + size)
          size += (chunk as Uint8Array).byteLength
        }
        const filling = Math.ceil(size / BLOCK) * BLOCK - size
        await writeAt(handle, Buffer.alloc(filling), end + BLOCK + size)
        await writeAt(handle, makeHeader(name, size), end)
        // Only now it is there; what broke off is written over by the next.
        end += BLOCK + size + filling
        sizes.set(name, size)
      }),
    async close() {
      await handle.truncate(end)
      await writeAt(handle, Buffer.alloc(2 * BLOCK), end)
      await handle.sync()
      await handle.close()
      await rename(own, path)
    },
    async discard() {
      await handle.close()
      await rm(own, { force: true })
    },
  }
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done, at + done)
    done += bytesWritten
  }
}

// The same content makes the same bytes: no owner, no time.
function makeHeader(name: string, size: number): Buffer {
  if (name.length > LONGEST_NAME) throw new Error(`${name} is too long a name for a tar`)
  const block = Buffer.alloc(BLOCK)
  const octal = (at: number, digits: number, value: number): void =>
    void block.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1')
  block.write(name, 'latin1')
  octal(100, 7, 0o644)
  octal(108, 7, 0)
  octal(116, 7, 0)
  if (size <= LARGEST_OCTAL) octal(124, 11, size)
  else {
    // From 8 GiB on in base 256, with the highest bit set.
    block[124] = 0x80
    block.writeBigUInt64BE(BigInt(size), 128)
  }
  octal(136, 11, 0)
  block.write('        ', 148, 'latin1')
  block.write('0', 156, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  const sum = block.reduce((all, byte) => all + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}
