// Whether the files of a bundle's part are those that its index names. The signature covers the index and nothing else: a tag
// that is read from the tar is only as good as what the index says of it.
import { BadArchive } from '../bundle/bad-archive.ts'
import { listEntries } from '../bundle/entries.ts'
import type { BundleEntry } from '../bundle/entries.ts'
import { indexName, signatureName } from '../bundle/entry-name.ts'
import type { BundleHead } from '../bundle/read-bundle.ts'
import type { FileTree } from '../exchange/file-tree.ts'
import { readSmall } from '../exchange/file-tree.ts'
import type { Digest } from '../oci/digest.ts'
import { digestOf } from '../oci/digest.ts'

// No name of a bundle is nested deeper; deeper ones are in no index.
const DEEPEST = 64
const LONGEST_SHOWN = 200

/**
 * `tree` is the whole tar of the part whose head was judged. Throws BadArchive for one that lacks what the index names, that
 * has anything else, and whose links say something else. Blobs are compared by their sizes: who reads one compares its digest.
 */
export async function requireBound(tree: FileTree, head: BundleHead): Promise<void> {
  const { index, part, indexBytes, signature } = head
  const files = new Set<string>()
  const sizes = { index: indexBytes.byteLength, signature: signature?.byteLength }
  for (const entry of listEntries(index, part, sizes)) {
    if (entry.kind === 'directory') continue
    files.add(entry.name)
    const found = await tree.find(entry.name)
    if (found?.kind !== 'file') refuse(tree, entry.name, 'is in the index of the bundle, and not there')
    else if (found.size !== entry.size) {
      refuse(tree, entry.name, `has ${found.size} bytes, and the index of the bundle says ${entry.size}`)
    }
    await requireBytes(tree, entry, head)
  }
  for await (const name of listFiles(tree, '', 0)) {
    if (!files.has(name)) refuse(tree, name, 'is not in the index of the bundle')
  }
}

async function requireBytes(tree: FileTree, entry: BundleEntry, { index, indexBytes, signature }: BundleHead) {
  const read = async (): Promise<Buffer> => (await readSmall(tree, entry.name, entry.size)) ?? Buffer.alloc(0)
  if (entry.kind === 'link') {
    if ((await read()).toString('latin1') !== entry.digest) refuse(tree, entry.name, `does not hold ${entry.digest}`)
  } else if (entry.kind === 'release-signature') {
    requireDigest(tree, entry.name, await read(), entry.signature.digest)
  } else if (entry.name === indexName(index.id)) {
    // The file was opened again since it was judged.
    requireDigest(tree, entry.name, await read(), digestOf(indexBytes))
  } else if (entry.name === signatureName(index.id) && signature !== undefined) {
    requireDigest(tree, entry.name, await read(), digestOf(signature))
  }
}

function requireDigest(tree: FileTree, name: string, bytes: Buffer, digest: Digest): void {
  if (digestOf(bytes) !== digest) refuse(tree, name, 'has other bytes than the index of the bundle says')
}

async function* listFiles(tree: FileTree, directory: string, depth: number): AsyncGenerator<string> {
  if (depth > DEEPEST) refuse(tree, directory, 'is not in the index of the bundle')
  for (const [child, { kind }] of await tree.list(directory)) {
    const path = directory === '' ? child : `${directory}/${child}`
    // A link as a file: no bundle has one.
    if (kind === 'directory') yield* listFiles(tree, path, depth + 1)
    else yield path
  }
}

function refuse(tree: FileTree, name: string, what: string): never {
  // The end of a long name says more than its beginning.
  const shown = name.length > LONGEST_SHOWN ? `…${name.slice(-LONGEST_SHOWN)}` : name
  throw new BadArchive(`${tree.name}: ${JSON.stringify(shown)} ${what}`)
}
