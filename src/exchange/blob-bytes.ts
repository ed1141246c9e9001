// The bytes of a blob in trees of docker/distribution: one file, or the slices into which `tarn bundle create --part-size` cut
// it, each in another part.
import { Readable } from 'node:stream'
import type { FileTree } from './file-tree.ts'

interface Piece {
  readonly tree: FileTree
  readonly path: string
}

/** At least one; in their order. */
export type BlobPieces = readonly [Piece, ...Piece[]]

/** `directory` is the blob's own, where `data` or the slices lie. Undefined unless all of it is there. */
export async function findPieces(trees: readonly FileTree[], directory: string): Promise<BlobPieces | undefined> {
  const path = `${directory}/data`
  for (const tree of trees) if ((await tree.size(path)) !== undefined) return [{ tree, path }]
  const slices = new Map<number, Piece>()
  let count = 0
  for (const tree of trees) {
    for (const [name, { kind }] of await tree.list(directory)) {
      const [, place, of] = /^slice-(\d{4})-of-(\d{4})$/.exec(name) ?? []
      if (kind !== 'file' || place === undefined) continue
      count = Number(of)
      slices.set(Number(place), { tree, path: `${directory}/${name}` })
    }
  }
  const pieces = [...slices].toSorted(([a], [b]) => a - b)
  const [first, ...more] = pieces.map(([, piece]) => piece)
  const isWhole = pieces.length === count && pieces.every(([place], index) => place === index + 1)
  return isWhole && first !== undefined ? [first, ...more] : undefined
}

/** One stream of all pieces; to be read once or destroyed. */
export async function openPieces([first, ...more]: BlobPieces): Promise<Readable> {
  if (more.length === 0) return first.tree.open(first.path)
  const readAll = async function* (): AsyncGenerator<Uint8Array> {
    for (const { tree, path } of [first, ...more]) yield* (await tree.open(path)) as AsyncIterable<Uint8Array>
  }
  return Readable.from(readAll(), { objectMode: false })
}
