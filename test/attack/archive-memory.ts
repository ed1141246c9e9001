// How much memory and time all the hostile archives take, in a process that does nothing else.
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { HOSTILE_TARS } from '../helpers/hostile-archives.ts'
import { HOSTILE_BUNDLES } from '../helpers/hostile-bundles.ts'

const MOST_BYTES = 200 * 1024 * 1024
const MOST_MS = 2000

t.test('all hostile archives one after the other take less than 200 MiB, none takes two seconds', async (t) => {
  const directory = t.testdir({ data: {}, archives: {} })
  const data = join(directory, 'data')
  const files: string[] = []
  for (const [at, { make }] of [...HOSTILE_TARS, ...HOSTILE_BUNDLES].entries()) {
    const file = join(directory, 'archives', `${at}`)
    writeFileSync(file, await make())
    files.push(file)
  }
  const script = join(import.meta.dirname, '../helpers/threads/apply-hostile.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [script, data, ...files])
  const { refused, slowest, bytes } = JSON.parse(stdout) as { refused: number; slowest: number; bytes: number }
  // A bundle is a tar of a data directory as well: one whose only flaw is its index comes in as such.
  t.ok(refused >= files.length, `${refused} of ${2 * files.length} refused`)
  t.ok(bytes < MOST_BYTES, `${Math.round(bytes / 1024 / 1024)} MiB`)
  t.ok(slowest < MOST_MS, `${Math.round(slowest)} ms`)
})
