// Files below one place, a directory or a tar, read by their names there. Whoever made it is a stranger: no name leads out of
// it, and what a file holds is only believed when its digest says so.
import type { Readable } from 'node:stream'
import { quoteText } from '../oci/json.ts'

export type TreeEntry =
  | { readonly kind: 'file'; readonly size: number }
  | { readonly kind: 'directory' }
  /** A symbolic link, with its text as it is. */
  | { readonly kind: 'link'; readonly to: string }

/** Paths are relative, with "/" between their parts; '' is the tree itself. */
export interface FileTree {
  /** The path that a person named, for messages. */
  readonly name: string
  /** What lies in a directory, by name; empty when it is not there. */
  list(path: string): Promise<ReadonlyMap<string, TreeEntry>>
  /** What is there under this name, a link as a link; undefined when nothing is. */
  find(path: string): Promise<TreeEntry | undefined>
  /** The bytes of a file, through links that stay in the tree. Throws an UnreadableTree when there is none. */
  open(path: string): Promise<Readable>
  /** As `find`, through links that stay in the tree: undefined unless it is a file in the end. */
  size(path: string): Promise<number | undefined>
  close(): Promise<void>
}

/** What a person named cannot be read as what it should be. The message names the file. */
export class UnreadableTree extends Error {
  override readonly name = 'UnreadableTree'
  readonly hint: string

  constructor(message: string, options: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.hint = options.hint ?? 'nothing was changed; see how it was made, and whether it came over whole'
  }
}

/** The whole of a small file; undefined when it is not there. Throws an UnreadableTree for one larger than `most` bytes. */
export async function readSmall(tree: FileTree, path: string, most: number): Promise<Buffer | undefined> {
  const size = await tree.size(path)
  if (size === undefined) return undefined
  if (size > most)
    throw new UnreadableTree(`${tree.name}: ${quoteText(path)} has ${size} bytes, and ${most} is the most`)
  const pieces: Buffer[] = []
  for await (const piece of await tree.open(path)) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

/** A small file of JSON; undefined when it is not there. Throws an UnreadableTree when it is none. */
export async function readJson(tree: FileTree, path: string, most: number): Promise<unknown> {
  const bytes = await readSmall(tree, path, most)
  if (bytes === undefined) return undefined
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown
  } catch (cause) {
    throw new UnreadableTree(`${tree.name}: ${quoteText(path)} is not JSON`, { cause })
  }
}

/** Where a link at `path` leads inside the tree; undefined when it leads out of it. */
export function resolveLink(path: string, to: string): string | undefined {
  if (to.startsWith('/')) return undefined
  return joinInside(path.split('/').slice(0, -1).join('/'), to)
}

/** `to` seen from the directory `from`, without "." and ".."; undefined when that is outside. */
export function joinInside(from: string, to: string): string | undefined {
  const parts = from === '' ? [] : from.split('/')
  for (const part of to.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined) return undefined
  }
  return parts.join('/')
}
