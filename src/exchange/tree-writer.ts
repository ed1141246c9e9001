// Where the files of an archive go: a directory, or a tar. A file is there whole or not at all.
import type { Readable } from 'node:stream'

export interface TreeWriter {
  /** The path that a person named, for messages. */
  readonly name: string
  /** The size of a file that is there already, by this writer or from before. */
  size(path: string): Promise<number | undefined>
  /** Writes a file, in the place of an earlier one where the writer can. Throws what `bytes` throws. */
  write(path: string, bytes: Uint8Array | Readable): Promise<void>
  /** Completes what was written. */
  close(): Promise<void>
  /** Gives up: what can be taken back is. */
  discard(): Promise<void>
}
