// The promise of verification, counted: of 1,000 random corruptions each is found, none is served with a clean end,
// and each is healed from a second copy, so that the directory is afterwards what it was, byte for byte.
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { Test } from 'tap'
import t from 'tap'
import type { Image } from '../helpers/checking.ts'
import { copyOf, inside, plantImage, runCheck } from '../helpers/checking.ts'
import { openClient } from '../helpers/client.ts'
import type { Damage } from '../helpers/damage.ts'
import { DAMAGES, damage, makeChance } from '../helpers/damage.ts'
import { hashOf } from '../helpers/digest.ts'
import { makeDirectory, startTarn } from '../helpers/server.ts'
import type { TestStore } from '../helpers/store.ts'
import { makeStore } from '../helpers/store.ts'

const SEED = Number(process.env['TARN_TEST_SEED'] ?? 20261123)
const ROUNDS = 20
const EACH_ROUND = 50
const IMAGES = 60
// Above 4 MiB a blob is hashed while it is sent, and its end is held back.
const LARGE = 5 * 1024 * 1024

interface Corruption {
  readonly kind: Damage
  readonly path: string
  /** Where the finding must be. */
  readonly found: string
  /** What a client would ask for. */
  readonly request: string
  /** The digest that an answer must have, when there may be one: the damage is in what is not read for it. */
  readonly right?: string
}

/** Damages one file of the image: each file and each kind of damage is as likely as another. */
function corrupt({ layout }: TestStore, image: Image, other: Image, chance: (below: number) => number): Corruption {
  const { name, tag, manifest, config, layer } = image
  const blob = [config, layer][chance(2)] ?? config
  const byTag = `/v2/${name}/manifests/${tag}`
  const current = layout.tagLink(name, tag)
  const history = layout.tagIndexLink(name, tag, manifest)
  const targets = [
    {
      path: layout.blobData(manifest),
      request: [byTag, `/v2/${name}/manifests/${manifest}`][chance(2)] ?? byTag,
      link: false,
    },
    { path: layout.blobData(blob), request: `/v2/${name}/blobs/${blob}`, link: false },
    { path: layout.layerLink(name, blob), request: `/v2/${name}/blobs/${blob}`, link: true, swap: other.layer },
    { path: layout.revisionLink(name, manifest), request: byTag, link: true, swap: other.manifest },
    { path: current, request: byTag, link: true, swap: other.manifest },
    { path: history, request: byTag, link: true, swap: other.manifest, right: manifest },
  ]
  const target = targets[chance(targets.length)]
  if (target === undefined) throw new Error('no such file')
  const kinds = DAMAGES.filter((kind) => kind !== 'swapped link' || target.link)
  const kind = kinds[chance(kinds.length)] ?? 'bit'
  damage(target.path, kind, target.swap ?? '', chance)
  // A lost line of the history is told of the tag, which leads to what is not in it.
  const found = target.path === history && kind === 'lost file' ? current : target.path
  return {
    kind,
    path: target.path,
    found,
    request: target.request,
    ...(target.right !== undefined && { right: target.right }),
  }
}

/** The second copy as a person may have it. */
function packCopies(copy: string): string[] {
  const tar = `${copy}.tar`
  execFileSync('tar', ['-C', join(copy, '..'), '-cf', tar, 'copy'])
  const bytes = readFileSync(tar)
  writeFileSync(`${tar}.gz`, gzipSync(bytes, { level: 1 }))
  writeFileSync(`${tar}.zst`, zstdCompressSync(bytes))
  return [copy, tar, `${tar}.gz`, `${tar}.zst`]
}

/** Asks a fresh server for what is damaged; gives those that were answered to a clean end with what is not right. */
async function serveAll(t: Test, directory: string, corruptions: readonly Corruption[]): Promise<string[]> {
  const tarn = await startTarn(t, { check: { enabled: false } }, directory)
  const client = openClient(tarn)
  const served: string[] = []
  for (const { request, right, kind, path } of corruptions) {
    const answer = await client.send('GET', request, { headers: { accept: '*/*' } }).catch(() => undefined)
    const isRight = answer?.status === 200 && right !== undefined && hashOf(answer.body) === right
    if (answer !== undefined && answer.status < 400 && !isRight) served.push(`${answer.status} ${kind} ${path}`)
    if (right !== undefined && !isRight) served.push(`not served: ${kind} ${path}`)
  }
  client.close()
  await tarn.close()
  return served
}

function shuffle<T>(items: readonly T[], chance: (below: number) => number): T[] {
  const keyed = items.map((item) => ({ item, key: chance(2 ** 30) }))
  return keyed.toSorted((a, b) => a.key - b.key).map(({ item }) => item)
}

/** Files that differ between the two directories, Tarn's own left out. */
function compareTrees(one: string, two: string): string[] {
  const list = (root: string): string[] =>
    readdirSync(join(root, 'docker'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
  const [here, there] = [new Set(list(one)), list(two)]
  const expected = new Set(there)
  const more = [...here].filter((path) => !expected.has(path))
  return [
    ...more,
    ...there.filter((path) => !here.has(path) || !readFileSync(one + path).equals(readFileSync(two + path))),
  ]
}

t.test(`1,000 corruptions by seed ${SEED}: all found, none served, all healed`, async (t) => {
  const chance = makeChance(SEED)
  const directory = makeDirectory(t)
  const root = join(directory, 'data')
  const images: Image[] = []
  {
    execFileSync('mkdir', [root])
    const store = makeStore(root)
    for (let index = 0; index < IMAGES; index += 1) {
      const size = index === 7 ? LARGE : 3000 + chance(9000)
      images.push(plantImage(store, `team/app-${index % 12}`, `v${index}`, size))
    }
  }
  const copies = packCopies(copyOf(makeStore(root)))
  const count = new Map<Damage, number>()
  const startedAt = Date.now()
  for (let round = 0; round < ROUNDS; round += 1) {
    const store = makeStore(root)
    const chosen = shuffle(images, chance).slice(0, EACH_ROUND)
    const corruptions = chosen.map((image) => {
      const others = images.filter(({ name }) => name !== image.name)
      return corrupt(store, image, others[chance(others.length)] ?? image, chance)
    })
    for (const { kind } of corruptions) count.set(kind, (count.get(kind) ?? 0) + 1)
    t.same(await serveAll(t, directory, corruptions), [], `round ${round}: nothing wrong was served`)
    const from = copies[round % copies.length] ?? ''
    const report = await runCheck(t, store, { repair: true, from: [from] })
    const found = new Map(report.findings.map((finding) => [finding.path, finding]))
    for (const { kind, path, found: where } of corruptions) {
      const finding = found.get(inside(store, where))
      if (finding?.outcome !== 'healed') t.fail(`${kind} of ${path}: ${finding?.what ?? 'not found'}`)
    }
    t.equal(report.unrepaired, 0, `round ${round}: all healed from ${from.replace(/^.*\//, '')}`)
    t.same(compareTrees(root, copies[0] ?? ''), [], `round ${round}: the directory is what it was`)
  }
  t.equal(
    [...count.values()].reduce((sum, each) => sum + each, 0),
    1000,
  )
  t.ok(
    DAMAGES.every((kind) => (count.get(kind) ?? 0) >= 50),
    JSON.stringify([...count]),
  )
  t.comment(`${Date.now() - startedAt} ms: ${JSON.stringify([...count])}`)
  t.same((await runCheck(t, makeStore(root))).findings, [], 'and nothing is left to find')
})
