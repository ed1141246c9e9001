// How much memory and time all the hostile archives take, in a process that does nothing else.
import { execFile } from 'node:child_process'
import { createReadStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { unpack } from '../../src/bundle/decompress.ts'
import { readArchive } from '../../src/bundle/read-archive.ts'
import { readTar } from '../../src/bundle/read-tar.ts'
import { hashBlobs } from '../../src/bundle/take-blobs.ts'
import type { HostileArchive } from '../helpers/hostile-archives.ts'
import { HOSTILE_TARS } from '../helpers/hostile-archives.ts'
import { HOSTILE_BUNDLES } from '../helpers/hostile-bundles.ts'

const MOST_BYTES = 200 * 1024 * 1024
const MOST_MS = 2000

t.test('all hostile archives one after the other take less than 200 MiB, none takes two seconds', async (t) => {
  const directory = t.testdir({ data: {}, archives: {} })
  const data = join(directory, 'data')
  const write = async ({ make }: HostileArchive, name: string): Promise<string> => {
    const file = join(directory, 'archives', name)
    writeFileSync(file, await make())
    return file
  }
  const tars = await Promise.all(HOSTILE_TARS.map((one, at) => write(one, `tar-${at}`)))
  const bundles = await Promise.all(HOSTILE_BUNDLES.map((one, at) => write(one, `bundle-${at}`)))
  // A bundle is a tar of a data directory as well: one whose only flaw is its index comes in as such.
  const unreadable: string[] = []
  for (const file of bundles) {
    const reading = async () => readArchive(readTar(await unpack(createReadStream(file))), hashBlobs())
    await reading().catch(() => unreadable.push(file))
  }
  t.ok(unreadable.length > 0 && unreadable.length < bundles.length)
  const script = join(import.meta.dirname, '../helpers/threads/apply-hostile.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [script, data, ...tars, ...bundles])
  const { refused, slowest, bytes } = JSON.parse(stdout) as {
    readonly refused: { readonly import: readonly string[]; readonly apply: readonly string[] }
    readonly slowest: number
    readonly bytes: number
  }
  t.same(refused.import, [...tars, ...unreadable])
  t.same(refused.apply, [...tars, ...bundles])
  t.ok(bytes < MOST_BYTES, `${Math.round(bytes / 1024 / 1024)} MiB`)
  t.ok(slowest < MOST_MS, `${Math.round(slowest)} ms`)
})
