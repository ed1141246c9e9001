// Where the files of a tar lie in it, found by going from header to header without reading what is between them. The tar is
// a stranger's: nothing is made by its names, and what two readers could take differently is refused.
import type { FileHandle } from 'node:fs/promises'
import { BadArchive } from '../bundle/bad-archive.ts'
import type { TarEntry, TarLimits } from '../bundle/read-tar.ts'
import { TAR_LIMITS, readTar } from '../bundle/read-tar.ts'
import { quoteText } from '../oci/json.ts'
import { UnreadableTree, joinInside } from './file-tree.ts'
import { SeekingSource } from './seeking-source.ts'

export type IndexedEntry =
  | { readonly kind: 'file'; readonly at: number; readonly size: number }
  | { readonly kind: 'directory' }
  | { readonly kind: 'link'; readonly to: string }
  /** Another name of a file in this tar, by its path. */
  | { readonly kind: 'same'; readonly as: string }

// Many programs make such archives, and some say more of a file than we know of.
const LIMITS: TarLimits = { ...TAR_LIMITS, entries: 4_000_000, strangeRecords: true }
const LONGEST_NAME = 4096
// All that is kept in memory for as long as the tar is open, and what of that an entry takes beside its names.
const MOST_KEPT = 96 * 1024 * 1024
const ENTRY_KEEPS = 200
const ORDINARY_NAME = 256

/**
 * Reads all headers. `name` is the file's, for messages; `most` the bytes of memory that what is kept may take. Throws an
 * UnreadableTree that says what is wrong and where.
 */
export async function indexTar(handle: FileHandle, name: string, most = MOST_KEPT): Promise<Map<string, IndexedEntry>> {
  const { size } = await handle.stat()
  const entries = new Map<string, IndexedEntry>()
  let kept = 0
  try {
    for await (const entry of readTar(new SeekingSource(handle, size), LIMITS)) {
      const path = placeOf(entry)
      const found = describe(entry)
      if (path === '') continue
      const before = entries.get(path)
      if (before !== undefined && !(before.kind === 'directory' && found.kind === 'directory'))
        throw new BadArchive(`it has ${quoteText(path)} twice`)
      kept += ENTRY_KEEPS + memoryOf(path) + memoryOf(targetOf(found))
      if (kept > most) throw new BadArchive('it has more entries, or longer names, than can be true')
      if (found.kind !== 'other') entries.set(path, found)
    }
  } catch (error) {
    if (!(error instanceof BadArchive)) throw error
    const { message, hint } = error
    throw new UnreadableTree(`${name}: ${message}`, { cause: error, ...(hint !== undefined && { hint }) })
  }
  return entries
}

function describe({ kind, where, offset, size, link }: TarEntry): IndexedEntry | { readonly kind: 'other' } {
  switch (kind) {
    case 'file':
    case 'contiguous file':
      return { kind: 'file', at: offset, size }
    case 'directory':
      return { kind: 'directory' }
    case 'symbolic link':
      return { kind: 'link', to: link }
    case 'hard link': {
      const as = joinInside('', link)
      return as === undefined || link.startsWith('/') ? { kind: 'other' } : { kind: 'same', as }
    }
    case 'character device':
    case 'block device':
    case 'fifo':
      // They say nothing to us.
      return { kind: 'other' }
    default:
      throw new BadArchive(`${where} is a ${kind}`, { hint: 'make the tar anew, without --sparse and such' })
  }
}

/** The path of an entry in the tree. */
function placeOf({ name, number }: TarEntry): string {
  if (name.length > LONGEST_NAME || name.includes('\0'))
    throw new BadArchive(`entry ${number} has a name that cannot be one`)
  if (name.startsWith('/') || name.split('/').includes('..'))
    throw new BadArchive(`entry ${number} lies outside: ${quoteText(name)}`)
  return joinInside('', name) ?? ''
}

function targetOf(entry: IndexedEntry | { readonly kind: 'other' }): string {
  return entry.kind === 'link' ? entry.to : entry.kind === 'same' ? entry.as : ''
}

// A text in which one letter is none of Latin-1 takes two bytes for each. Of a long one more lies about that was read for it.
function memoryOf(text: string): number {
  const bytes = /[\u0100-\uffff]/.test(text) ? 2 * text.length : text.length
  return bytes + 2 * Math.max(0, bytes - ORDINARY_NAME)
}
