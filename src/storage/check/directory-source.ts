// Another data directory, unpacked, as a place to heal from. It is a stranger's: only regular files at the paths of our
// own layout are read, and what they give is hashed before it is used.
import { constants, readdirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { Digest } from '../../oci/digest.ts'
import { ALGORITHMS, isDigest, joinDigest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'
import { childOf, createLayout } from '../layout.ts'
import { directoryIdentity, isNotThere, readTiny } from '../stamp.ts'
import type { BlobSource, LinkSource } from './source.ts'

/** Opens the data directory at `path`, or the one in its `data`; undefined when neither is one. */
export function openDirectorySource(path: string): (BlobSource & LinkSource) | undefined {
  for (const root of [path, childOf(path, 'data')]) {
    const layout = createLayout(root)
    if (directoryIdentity(layout.blobs) === undefined && directoryIdentity(layout.repositories) === undefined) continue
    return {
      name: path,
      open: (digest, size) => openFile(layout.blobData(digest), size),
      readLink(link) {
        const text = readTiny(childOf(root, link))
        return text !== undefined && isDigest(text) ? text : undefined
      },
      readHistory: (name, tag) => listHistory(layout, name, tag),
    }
  }
  return undefined
}

async function openFile(path: string, size: number | undefined): Promise<Readable | undefined> {
  try {
    // Not blocking: a pipe in the place of a blob would never answer.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = await handle.stat()
    if (stat.isFile() && (size === undefined || stat.size === size)) return handle.createReadStream()
    await handle.close()
  } catch (error) {
    if (!isNotThere(error)) throw error
  }
  return undefined
}

function listHistory(layout: ReturnType<typeof createLayout>, name: RepositoryName, tag: Tag): Digest[] {
  return ALGORITHMS.flatMap((algorithm) => {
    try {
      return readdirSync(childOf(layout.tagIndex(name, tag), algorithm))
        .map((hex) => joinDigest(algorithm, hex))
        .filter((digest) => digest !== undefined)
    } catch {
      return []
    }
  })
}
