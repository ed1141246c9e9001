// Hashes every blob on disk, past any server: what the store must never hold is a blob under a wrong digest,
// or leftovers of an unfinished write under a name that somebody reads.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'

export interface Scrubbed {
  /** Blobs whose bytes were hashed. */
  readonly blobs: number
  /** One sentence for each thing that is wrong. */
  readonly problems: readonly string[]
}

/** Hashes all blobs of the data directory and reads all its links (of repositories, not of uploads). */
export async function scrub(data: string): Promise<Scrubbed> {
  const root = join(data, 'docker', 'registry', 'v2')
  const problems: string[] = []
  let blobs = 0
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || path.includes('/_uploads/')) continue
    if (entry.name === 'data') {
      blobs++
      const hex = basename(dirname(path))
      const algorithm = basename(dirname(dirname(dirname(path))))
      const hash = createHash(algorithm)
      await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash)
      if (hash.digest('hex') !== hex) problems.push(`${path} holds other bytes than its name says`)
    } else if (entry.name === 'link') {
      const text = await readFile(path, 'latin1')
      if (!/^sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})$/.test(text))
        problems.push(`${path} holds ${JSON.stringify(text)}`)
    }
  }
  return { blobs, problems }
}
