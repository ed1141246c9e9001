// A file that one writer makes longer while any number of readers follow it, in memory while they keep up. Readers never
// poll: they wait for the next change, which all of them share.
import type { FileHandle } from 'node:fs/promises'
import { constants, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import type { HeldBytes } from './window.ts'
import { Window } from './window.ts'

// What may wait for the disk before the network has to wait.
const MOST_WAITING = 2 * 1024 * 1024
// Less than this is written only when nothing more came in the same turn of the event loop: a call for every 64 KiB that a
// socket gives costs more than the bytes do.
const PIECE = 512 * 1024
// Of what is written, that stays in memory.
const MOST_KEPT = 2 * 1024 * 1024

export class GrowingFile {
  readonly path: string
  readonly #handle: FileHandle
  #size: number
  #window: Window
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #writing: Promise<void> | undefined
  #failure: Error | undefined
  #change = Promise.withResolvers<void>()
  #users = 1

  private constructor(path: string, handle: FileHandle, size: number) {
    this.path = path
    this.#handle = handle
    this.#size = size
    this.#window = new Window(size, MOST_KEPT)
  }

  /** Opens the file, which is made when it is not there. Who opens it releases it once. */
  static async open(path: string): Promise<GrowingFile> {
    // Not for appending: another process that came to own the directory may be writing to the same file.
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o666)
    try {
      return new GrowingFile(path, handle, (await handle.stat()).size)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Bytes that can be read from the file. */
  get size(): number {
    return this.#size
  }

  /** Bytes that are in the file or on their way there. */
  get received(): number {
    return this.#window.end
  }

  /** The bytes from `position` on, `most` of them at most, when they are in memory; what is not written yet is. */
  hold(position: number, most: number): HeldBytes | undefined {
    return this.#window.hold(position, most)
  }

  get handle(): FileHandle {
    return this.#handle
  }

  /** One more who needs the open file; false when it is closed already. */
  use(): boolean {
    if (this.#users === 0) return false
    this.#users += 1
    return true
  }

  /** Whether the name still leads to this file, and it holds just what was appended. */
  async isIntact(): Promise<boolean> {
    const [here, named] = [await this.#handle.stat(), statSync(this.path, { throwIfNoEntry: false })]
    return here.ino === named?.ino && here.dev === named.dev && here.size === this.#size
  }

  /** Ends a use; the file is closed with the last. */
  async release(): Promise<void> {
    this.#users -= 1
    if (this.#users > 0) return
    await this.#writing
    this.#window.clear()
    await this.#handle.close()
  }

  /** Resolves at the next growth or `tell`. */
  changed(): Promise<void> {
    return this.#change.promise
  }

  /** Wakes all who wait. */
  tell(): void {
    const { resolve } = this.#change
    this.#change = Promise.withResolvers<void>()
    resolve()
  }

  /**
   * Takes bytes to the end; they must stay what they are until `free` is called. Resolves when there is room for more;
   * throws what the disk said to earlier ones.
   */
  async append(bytes: Uint8Array, free: () => void = () => undefined): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    this.#window.push(bytes, free)
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.byteLength
    this.#writing ??= this.#write()
    this.tell()
    if (this.#waitingBytes > MOST_WAITING) await this.#writing
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Resolves when everything that was appended can be read. */
  async settle(): Promise<void> {
    await this.#writing
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Drops all bytes. Nobody may be reading. */
  async empty(): Promise<void> {
    await this.settle()
    await this.#handle.truncate(0)
    this.#size = 0
    this.#window.clear()
    this.#window = new Window(0, MOST_KEPT)
  }

  // Whatever came while the last write ran goes out with one call.
  async #write(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        if (this.#waitingBytes < PIECE) await setImmediate()
        const pieces = this.#waiting
        this.#waiting = []
        this.#waitingBytes = 0
        await writeAll(this.#handle, pieces, this.#size)
        this.#size += pieces.reduce((sum, { byteLength }) => sum + byteLength, 0)
        // The one who writes is no reader.
        this.#window.trim(this.#size, this.#users > 1)
      }
    } catch (error) {
      this.#failure = error as Error
      this.#waiting = []
    } finally {
      this.#writing = undefined
    }
  }
}

async function writeAll(handle: FileHandle, pieces: readonly Uint8Array[], at: number): Promise<void> {
  const length = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0)
  let { bytesWritten: done } = await handle.writev(pieces as Uint8Array[], at)
  if (done === length) return
  const all = Buffer.concat(pieces)
  while (done < length) done += (await handle.write(all, done, length - done, at + done)).bytesWritten
}
