// An archive of each format that `tarn import` reads, changed by chance: whatever the change, what comes in is right to its last
// byte, and what does not come in changes nothing. More of them: TARN_MUTATIONS; a run again: TARN_SEED.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { hashTree } from '../helpers/hash-tree.ts'
import { CONFIG, GOOD, IMAGE, LAYER, docker, layout, listed } from '../helpers/hostile-exchange.ts'
import { openRegistry } from '../helpers/images.ts'
import type { TarPart } from '../helpers/make-tar.ts'
import { makeTar, paxRecord } from '../helpers/make-tar.ts'
import { takePlace } from '../helpers/take-place.ts'

const RUNS = Math.ceil(Number(process.env['TARN_MUTATIONS'] ?? 300) / 5)
const SEED = process.env['TARN_SEED']
const BLOCK = 512
const MOST_MS = 2000

const hex = (bytes: Buffer): string => hexOf(digestOf(bytes))
const TREE = 'docker/registry/v2'
// A header has room for 100 letters of a name.
const long = (name: string, bytes: Buffer | string): readonly TarPart[] => [
  { name: 'pax', type: 'x', bytes: paxRecord('path', `${TREE}/${name}`) },
  { name: 'x', bytes },
]
const stored = (bytes: Buffer): readonly TarPart[] =>
  long(`blobs/sha256/${hex(bytes).slice(0, 2)}/${hex(bytes)}/data`, bytes)
const link = (path: string, bytes: Buffer): readonly TarPart[] =>
  long(`repositories/evil/app/${path}/link`, digestOf(bytes))

/** Of each kind an archive of the same image. */
const ARCHIVES: Readonly<Record<string, Buffer>> = {
  'oci-archive': layout(...GOOD),
  'docker-archive': docker([listed]),
  dir: makeTar([
    ...[CONFIG, LAYER].map((bytes) => ({ name: `v2/evil/app/blobs/sha256:${hex(bytes)}`, bytes })),
    { name: `v2/evil/app/manifests/sha256:${hex(IMAGE)}`, bytes: IMAGE },
    { name: 'v2/evil/app/manifests/1', type: '2', link: `sha256:${hex(IMAGE)}` },
  ]),
  'oc-mirror': makeTar([
    ...[CONFIG, LAYER, IMAGE].flatMap(stored),
    ...[CONFIG, LAYER].flatMap((bytes) => link(`_layers/sha256/${hex(bytes)}`, bytes)),
    ...link(`_manifests/revisions/sha256/${hex(IMAGE)}`, IMAGE),
    ...link('_manifests/tags/1/current', IMAGE),
  ]),
  hauler: zstdCompressSync(layout(...GOOD)),
}

interface Change {
  /** Where, as a share of the archive. */
  readonly at: number
  readonly other: number
  readonly by: number
  readonly more: Uint8Array
  readonly kind: (typeof KINDS)[number]
}

const KINDS = ['flip', 'cut', 'insert', 'remove', 'double', 'copy', 'header', 'append', 'text'] as const

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom(...KINDS),
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  other: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  by: fc.integer({ min: 1, max: 255 }),
  more: fc.uint8Array({ minLength: 1, maxLength: 1024 }),
})

function apply(good: Buffer, { kind, at, other, by, more }: Change): Buffer {
  const place = Math.floor(at * good.length)
  const [start, from] = [at, other].map((share) => Math.floor((share * good.length) / BLOCK) * BLOCK) as [
    number,
    number,
  ]
  const bytes = Buffer.from(good)
  switch (kind) {
    case 'cut':
      return bytes.subarray(0, place)
    case 'insert':
      return Buffer.concat([good.subarray(0, start), more, good.subarray(start)])
    case 'remove':
      return Buffer.concat([good.subarray(0, start), good.subarray(start + BLOCK)])
    case 'double':
      return Buffer.concat([good.subarray(0, start + BLOCK), good.subarray(start)])
    case 'copy':
      good.copy(bytes, start, from, from + BLOCK)
      return bytes
    case 'append':
      return Buffer.concat([good, more])
    case 'text':
      // A character of a name, a digest or a number, as somebody would write another one.
      bytes[place] = (good[place] ?? 0) === 0 ? 0 : 48 + (by % 75)
      sumAgain(bytes, start)
      return bytes
    default:
      bytes[place] = (bytes[place] ?? 0) ^ by
      if (kind === 'header') sumAgain(bytes, start)
      return bytes
  }
}

/** A header that was changed by somebody who knows how its sum is made. */
function sumAgain(bytes: Buffer, at: number): void {
  if (!bytes.toString('latin1', at + 257, at + 262).startsWith('ustar')) return
  bytes.write('        ', at + 148, 'latin1')
  const sum = bytes.subarray(at, at + BLOCK).reduce((total, byte) => total + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1')
}

function requireRight(data: string): void {
  for (const name of readdirSync(data, { recursive: true }) as string[]) {
    if (!/blobs\/sha256\/[^/]+\/[^/]+\/data$/.test(name)) continue
    if (hexOf(digestOf(readFileSync(join(data, name)))) !== basename(dirname(name))) throw new Error(`${name} is wrong`)
  }
}

for (const [kind, good] of Object.entries(ARCHIVES)) {
  t.test(`${kind}: of ${RUNS} archives that were changed by chance nothing wrong comes in`, async (t) => {
    const directory = t.testdir({})
    const path = join(directory, 'archive')
    let [made, refused, slowest] = [0, 0, 0]
    const attempt = async (bytes: Buffer): Promise<boolean> => {
      made += 1
      // What came in before may be what this one lacks.
      const data = join(directory, String(made))
      mkdirSync(data)
      const context = openRegistry(data)
      writeFileSync(path, bytes)
      const before = hashTree(data)
      const begun = performance.now()
      const states = await takePlace(context, `${kind}:${path}`).catch((error: unknown) => {
        const { name, message } = error as Error
        if (!['UnreadableTree', 'Problem'].includes(name)) throw new Error(`no words for a person: ${message}`)
        return ['failed']
      })
      slowest = Math.max(slowest, performance.now() - begun)
      const isRefused = states.every((state) => state === 'failed')
      if (isRefused && hashTree(data) !== before) throw new Error('something was left behind')
      requireRight(data)
      return isRefused
    }
    t.equal(await attempt(good), false, 'as it was it comes in')
    await fc.assert(
      fc.asyncProperty(change, async (one) => {
        // Of a packed one what is in it is changed as well.
        const bytes =
          kind === 'hauler' && one.by % 2 === 0
            ? zstdCompressSync(apply(zstdDecompressSync(good), one))
            : apply(good, one)
        if (await attempt(bytes)) refused += 1
      }),
      { numRuns: RUNS, ...(SEED !== undefined && { seed: Number(SEED) }) },
    )
    t.ok(refused > RUNS / 4, `${refused} refused`)
    t.ok(slowest < MOST_MS, `the slowest took ${Math.round(slowest)} ms`)
  })
}
