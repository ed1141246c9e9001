// Bytes written to their place in a file, all of them: one call may take fewer.
import type { FileHandle } from 'node:fs/promises'

/** Writes `bytes` from the position `at` on. Throws what the disk says. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done, at + done)
    done += bytesWritten
  }
}
