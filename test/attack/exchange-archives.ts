// Archives of strangers in every format that `tarn import` reads: each is refused with a sentence that names it, or with one for
// each of its images; quickly, in little memory, and the data directory is what it was to the byte.
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import type { Context } from '../../src/registry/context.ts'
import { hashTree } from '../helpers/hash-tree.ts'
import {
  CONFIG,
  GOOD,
  HOSTILE_EXCHANGE,
  IMAGE,
  LAYER,
  entry,
  index,
  layout,
  nested,
} from '../helpers/hostile-exchange.ts'
import { APP, openRegistry, pushImage } from '../helpers/images.ts'
import { takePlace } from '../helpers/take-place.ts'

const MOST_MS = 2000
const MOST_BYTES = 200 * 1024 * 1024

t.test('archives of strangers', async (t) => {
  const directory = t.testdir({})
  const path = join(directory, 'archive')
  // Of its own for each: what is right in one archive may be what another lacks.
  const open = async (name: string): Promise<{ context: Context; data: string }> => {
    const data = join(directory, name)
    mkdirSync(data)
    const context = openRegistry(data)
    await pushImage(context, APP, ['what is here'], { tag: 'v1' })
    return { context, data }
  }
  for (const [number, [what, [kind, bytes, why]]] of Object.entries(HOSTILE_EXCHANGE).entries()) {
    await t.test(`${kind}: with ${what}`, async (t) => {
      const { context, data } = await open(String(number))
      const before = hashTree(data)
      writeFileSync(path, bytes)
      const begun = performance.now()
      const states = takePlace(context, `${kind}:${path}`)
      if (why === undefined)
        t.ok(
          (await states).every((state) => state === 'failed'),
          'no image came in',
        )
      else await t.rejects(states, { message: why })
      t.ok(performance.now() - begun < MOST_MS, `in less than ${MOST_MS} ms`)
      t.equal(hashTree(data), before, 'what is here is what was here')
    })
  }

  await t.test('an index that is nested a hundred deep comes to an end', async (t) => {
    const { context, data } = await open('nested')
    writeFileSync(path, nested(100))
    t.same(await takePlace(context, `oci-archive:${path}`), ['copied'])
    for (const file of blobsIn(data)) t.equal(hexOf(digestOf(readFileSync(file))), basename(dirname(file)))
  })
})

t.test('all of them one after the other take less than 200 MiB', async (t) => {
  const directory = t.testdir({ data: {}, archives: {} })
  const places = Object.values(HOSTILE_EXCHANGE).map(([kind, bytes], at) => {
    const file = join(directory, 'archives', `${at}`)
    writeFileSync(file, bytes)
    return `${kind}:${file}`
  })
  const script = join(import.meta.dirname, '../helpers/threads/import-hostile.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [script, join(directory, 'data'), ...places])
  const { refused, slowest, bytes } = JSON.parse(stdout) as { refused: number; slowest: number; bytes: number }
  t.equal(refused, places.length)
  t.ok(bytes < MOST_BYTES, `${Math.round(bytes / 1024 / 1024)} MiB`)
  t.ok(slowest < MOST_MS, `${Math.round(slowest)} ms`)
})

t.test('an archive that is cut at any block, or has any bit changed, brings nothing wrong', async (t) => {
  const directory = t.testdir({ data: {} })
  const data = join(directory, 'data')
  const context = openRegistry(data)
  const whole = layout(...GOOD)
  const path = join(directory, 'archive')
  const attempt = async (bytes: Buffer): Promise<boolean> => {
    writeFileSync(path, bytes)
    const states = await takePlace(context, `oci-archive:${path}`).catch(() => ['failed'])
    return states.every((state) => state === 'failed')
  }
  const before = hashTree(data)
  for (let end = 512; end < whole.length - 512; end += 512) t.ok(await attempt(whole.subarray(0, end)), `cut at ${end}`)
  t.equal(hashTree(data), before, 'a cut changes nothing')
  // A seed, so that a failure can be seen again.
  let seed = 20261126
  for (let round = 0; round < 150; round++) {
    seed = (seed * 1103515245 + 12345) % 2147483648
    const bytes = Buffer.from(whole)
    const at = seed % bytes.length
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (seed % 8))
    await attempt(bytes)
  }
  for await (const name of context.store.repositories.names()) {
    for await (const tag of context.store.tags.list(name)) {
      t.equal(context.store.tags.resolve(name, tag), digestOf(IMAGE), 'what came in is the image')
    }
  }
  for (const file of blobsIn(data)) t.equal(hexOf(digestOf(readFileSync(file))), basename(dirname(file)))
  t.notOk(await attempt(whole), 'the archive as it was comes in')
  t.equal((await context.store.blobs.ensureWhole(digestOf(LAYER)))?.size, LAYER.length)
})

/** The files of all blobs of a data directory. */
function blobsIn(data: string): readonly string[] {
  return (readdirSync(data, { recursive: true }) as string[])
    .filter((name) => /blobs\/sha256\/[^/]+\/[^/]+\/data$/.test(name))
    .map((name) => join(data, name))
}

t.test('a directory whose parts lead out of it is one without them', async (t) => {
  const directory = t.testdir({ data: {}, layout: { blobs: {} }, outside: { sha256: {} } })
  const context = openRegistry(join(directory, 'data'))
  for (const bytes of [CONFIG, LAYER, IMAGE])
    writeFileSync(join(directory, 'outside/sha256', hexOf(digestOf(bytes))), bytes)
  symlinkSync('../../outside/sha256', join(directory, 'layout/blobs/sha256'))
  writeFileSync(join(directory, 'layout/index.json'), index(entry(IMAGE)).bytes ?? '')
  t.same(await takePlace(context, `oci:${join(directory, 'layout')}`), ['failed'])
  mkdirSync(join(directory, 'other'))
  symlinkSync('/etc/passwd', join(directory, 'other/index.json'))
  await t.rejects(takePlace(context, `oci:${join(directory, 'other')}`), { message: /index.json is not in it/ })
})
