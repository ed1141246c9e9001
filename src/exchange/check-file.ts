// What can be told of a blob in a tree of files without reading all of it: that it is there, how long it is, and of a small one
// everything. So that an image that cannot be whole is noticed before anything of it is put anywhere.
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf, digestOf } from '../oci/digest.ts'
import type { FileTree } from './file-tree.ts'
import { UnreadableTree, readSmall } from './file-tree.ts'
import { WrongBytes, describeLength } from './verified.ts'

/** Bytes. What is read twice for it is in the memory of the system the second time. */
export const READ_FIRST = 4 * 1024 * 1024

/** Throws an UnreadableTree for a file that is not there, WrongBytes for one that cannot be the blob. */
export async function checkFile(tree: FileTree, path: string, blob: Descriptor): Promise<void> {
  const size = await tree.size(path)
  if (size === undefined) throw new UnreadableTree(`${tree.name}: ${blob.digest} is not in it`)
  if (size !== blob.size) throw new WrongBytes(describeLength(blob, size))
  if (size > READ_FIRST) return
  const bytes = await readSmall(tree, path, READ_FIRST)
  if (bytes === undefined || digestOf(bytes, algorithmOf(blob.digest)) !== blob.digest)
    throw new WrongBytes(`the bytes of ${blob.digest} have another digest`)
}
