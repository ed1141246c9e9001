// `data:` of `tarn import`: a data directory of any registry, or a tar of one, packed or not, merged into what is here.
// What its blobs do not hash to is left out with the images that need it; the rest comes in.
import type { Progress } from '../registry/collect.ts'
import type { Context } from '../registry/context.ts'
import type { ByteSource } from '../storage/byte-source.ts'
import type { Archive } from './read-archive.ts'
import { readArchive } from './read-archive.ts'
import type { ArchiveContent, Taken } from './take-archive.ts'
import { takeArchive } from './take-archive.ts'
import { readTar } from './read-tar.ts'
import { unpack } from './decompress.ts'

export interface ImportOptions {
  readonly dryRun: boolean
  /** Bytes that `source` will give, where that is known, to tell how far it is. */
  readonly size?: number | undefined
  readonly emit?: (progress: Progress) => void
}

export interface ImportReport extends Taken {
  readonly dryRun: boolean
  readonly seconds: number
  /** Files that are no part of a registry. */
  readonly passedOver: number
  /** Links that hold no digest: a registry that ran while the tar was made can leave such. */
  readonly torn: number
}

/**
 * Takes a tar of a data directory, packed or not, in. Throws BadArchive for one that cannot be read as such (nothing was
 * changed then), UNSUPPORTED when the registry is read-only, UNAVAILABLE where there is no room.
 */
export async function importData(
  context: Context,
  source: ByteSource,
  { dryRun, size, emit = () => undefined }: ImportOptions,
): Promise<ImportReport> {
  const begun = performance.now()
  const { taken, read } = await takeArchive<Archive & ArchiveContent>(context, {
    dryRun,
    emit,
    async read(taker) {
      const archive = await readArchive(readTar(await unpack(countBytes(source, size, emit))), taker)
      return { ...archive, repositories: archive.claims.repositories }
    },
  })
  const { passedOver, torn } = read
  return { ...taken, dryRun, seconds: (performance.now() - begun) / 1000, passedOver, torn }
}

/** Passes the bytes on and tells how many they are. */
export function countBytes(
  source: ByteSource,
  size: number | undefined,
  emit: (progress: Progress) => void,
): ByteSource {
  let bytes = 0
  const note = (more: number): void => {
    bytes += more
    emit({ phase: 'read', done: bytes, ...(size !== undefined && { total: size }), bytes })
  }
  return {
    async *[Symbol.asyncIterator]() {
      note(0)
      for await (const chunk of source) {
        yield chunk
        note(chunk.byteLength)
      }
    },
    readInto:
      source.readInto &&
      (async (into) => {
        const more = (await source.readInto?.(into)) ?? 0
        note(more)
        return more
      }),
  }
}

/** Whether everything of the archive is here now. */
export function isWhole({ held, blobs }: Pick<ImportReport, 'held' | 'blobs'>): boolean {
  return held.length === 0 && blobs.wrong.length === 0
}
