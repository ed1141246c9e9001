// The images that are not whole yet, on the disk, so that the next life takes them up again. Below `.tarn/tmp`, which may
// be emptied at rest: what is lost there is asked for again by the next client.
import { createHash } from 'node:crypto'
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Digest } from '../oci/digest.ts'
import { digestOf, isDigest, algorithmOf } from '../oci/digest.ts'
import { readManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import type { Layout } from '../storage/layout.ts'
import { childOf } from '../storage/layout.ts'
import { Mutex } from '../storage/mutex.ts'
import { statFile } from '../storage/stamp.ts'
import type { StoredManifest } from '../storage/manifests.ts'

export interface FillRecord {
  readonly name: RepositoryName
  readonly stored: StoredManifest
  readonly tags: readonly Tag[]
  /** Milliseconds since 1970. */
  readonly since: number
  /** When the upstream said that the tags mean this image. */
  readonly checkedAt: number
}

const DAY_MS = 86_400_000

export class FillRecords {
  readonly #layout: Layout
  /** What comes to a record comes in the order in which it was asked for. */
  readonly #turns = new Mutex()

  constructor(layout: Layout) {
    this.#layout = layout
  }

  /** Writes the record, in the place of an earlier one of the image. */
  async write(record: FillRecord): Promise<void> {
    const { name, stored, tags, since, checkedAt } = record
    const path = this.#pathOf(record)
    const bytes = Buffer.from(stored.bytes).toString('base64')
    const text = JSON.stringify({ name, digest: stored.digest, tags, since, checkedAt, bytes })
    await this.#turns.run(path, async () => {
      await mkdir(this.#layout.mirrorFills, { recursive: true })
      const temporary = `${path}.tmp`
      try {
        await writeFile(temporary, text)
        await rename(temporary, path)
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
    })
  }

  async remove(record: Pick<FillRecord, 'name' | 'stored'>): Promise<void> {
    const path = this.#pathOf(record)
    await this.#turns.run(path, () => rm(path, { force: true }))
  }

  /** What an earlier life left and is younger than a day; the rest is removed. */
  async take(now: number): Promise<FillRecord[]> {
    const records: FillRecord[] = []
    for (const path of await listFiles(this.#layout.mirrorFills)) {
      // A record that was never finished has another ending.
      const record = path.endsWith('.json') ? await readRecord(path).catch(() => undefined) : undefined
      const isYoung = record !== undefined && now - record.since < DAY_MS && record.since <= now
      if (isYoung) records.push(record)
      else await rm(path, { force: true })
    }
    return records
  }

  /** Removes what was begun of blobs, is not under way, and got no byte for `age` milliseconds. */
  async sweep(now: number, age: number, isUnderWay: (digest: Digest) => boolean): Promise<void> {
    for (const path of await listFiles(this.#layout.mirrorBlobs)) {
      const [algorithm = '', hex = ''] = basename(path).split('-')
      const digest = `${algorithm}:${hex}`
      if (isDigest(digest) && isUnderWay(digest)) continue
      const facts = statFile(path)
      if (facts !== undefined && now - facts.writtenAt >= age) await rm(path, { force: true })
    }
  }

  #pathOf({ name, stored }: Pick<FillRecord, 'name' | 'stored'>): string {
    const id = createHash('sha256').update(`${name} ${stored.digest}`).digest('hex')
    return childOf(this.#layout.mirrorFills, `${id}.json`)
  }
}

async function readRecord(path: string): Promise<FillRecord | undefined> {
  const text = await readFile(path, 'utf8')
  const { name, digest, tags, since, checkedAt, bytes: base64 } = JSON.parse(text) as Record<string, unknown>
  if (typeof name !== 'string' || typeof digest !== 'string' || typeof base64 !== 'string') return undefined
  if (!isRepositoryName(name) || !isDigest(digest) || typeof since !== 'number' || !Array.isArray(tags))
    return undefined
  const bytes = Buffer.from(base64, 'base64')
  // A stranger's tar may have put it there: what its digest does not prove is not believed.
  if (digestOf(bytes, algorithmOf(digest)) !== digest) return undefined
  const stored = { digest, bytes, manifest: readManifest(bytes) }
  const known = tags.filter((tag) => typeof tag === 'string').filter(isTag)
  return { name, stored, tags: known, since, checkedAt: typeof checkedAt === 'number' ? checkedAt : since }
}

async function listFiles(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).map((entry) => childOf(directory, entry))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
