// What a collection keeps and frees, against a computation as naive as can be: it reads the same random directory with its
// own few lines, repeats its rules until nothing changes, and shares no code with the source.
import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import type { CollectReport } from '../../../src/registry/collect.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import type { RepositoryName } from '../../../src/oci/name.ts'
import { parseRepositoryName } from '../../../src/oci/name.ts'
import type { Tag } from '../../../src/oci/reference.ts'
import { parseTag } from '../../../src/oci/reference.ts'
import { listFiles, makeCollector, standStill } from '../../helpers/collect.ts'
import type { Part } from '../../helpers/plant.ts'
import { imageOf, indexOf, plantBytes, plantFile } from '../../helpers/plant.ts'
import type { TestStore } from '../../helpers/store.ts'
import { makeStore } from '../../helpers/store.ts'

const DIRECTORIES = 200
const SEED = Number(process.env['TARN_SEED'] ?? Date.now() % 1_000_000)

// ---------------------------------------------------------------------------------------------------------------------
// The directories.

type Dice = (below: number) => number

function makeDice(seed: number): Dice {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return (((value ^ (value >>> 14)) >>> 0) % 1_000_003) % below
  }
}

const NAMES = ['p', 'p/0x', 'p/b', 'p-q', 'team/app', 'team/app/cache'].map(parseRepositoryName)
const TAGS = ['v1', 'v2', 'latest', 'old'].map(parseTag)

class Planter {
  readonly #store: TestStore
  readonly #dice: Dice
  readonly #blobs: Buffer[]
  readonly #manifests: Buffer[] = []
  #count = 0

  constructor(store: TestStore, dice: Dice) {
    this.#store = store
    this.#dice = dice
    this.#blobs = Array.from({ length: 6 + dice(6) }, (_, index) => Buffer.from(`blob ${index} ${dice(1000)}`))
  }

  plant(repositories: readonly RepositoryName[], steps: number): void {
    for (let step = 0; step < steps; step += 1) this.#step(this.#pick(repositories))
  }

  #step(name: RepositoryName): void {
    const { layout } = this.#store
    const kind = this.#dice(20)
    if (kind < 3) this.#plantBlob(name, this.#pick(this.#blobs))
    else if (kind < 8) this.#plantManifest(name, this.#makeImage(name))
    else if (kind < 10) this.#plantManifest(name, this.#makeIndex(name))
    else if (kind < 12) this.#retag(name)
    else if (kind < 13) this.#drop(join(layout.repositories, name, '_manifests/tags'), this.#dice(2) === 0)
    else if (kind < 14) this.#drop(join(layout.repositories, name, '_manifests/revisions'), false)
    else if (kind < 15) this.#drop(join(layout.repositories, name, '_layers'), false)
    else if (kind < 16) plantBytes(this.#store, Buffer.from(`orphan ${this.#dice(1000)}`))
    else if (kind < 17) this.#trash()
    else if (kind < 18) this.#stray(name)
    else if (kind < 19) this.#pin(name)
    else this.#hurt(name)
  }

  /** What is there already is mostly left: the disk is the slow part of this test. */
  #plant(path: string, bytes: Buffer | string): void {
    if (this.#dice(4) === 0 || !existsSync(path)) plantFile(path, bytes)
  }

  #plantBytes(bytes: Buffer, digest = digestOf(bytes)): void {
    this.#plant(this.#store.layout.blobData(digest), bytes)
  }

  #pick<T>(list: readonly T[]): T {
    const found = list[this.#dice(list.length)]
    if (found === undefined) throw new Error('nothing to choose from')
    return found
  }

  /** Plants a blob in one of the ways in which registries store them; gives how a manifest names it. */
  #plantBlob(name: RepositoryName, bytes: Buffer): Part {
    const { layout } = this.#store
    const [by256, by512] = [digestOf(bytes), digestOf(bytes, 'sha512')]
    const way = this.#dice(12)
    if (way === 0) {
      this.#plantBytes(bytes, by512)
      this.#plant(layout.layerLink(name, by512), by512)
      return { digest: by512, size: bytes.length }
    }
    if (way !== 1) this.#plantBytes(bytes)
    if (way !== 2) this.#plant(layout.layerLink(name, by256), by256)
    if (way > 3) return { digest: by256, size: bytes.length }
    this.#plant(layout.layerLink(name, by512), by256)
    return { digest: by512, size: bytes.length }
  }

  #makeImage(name: RepositoryName): Buffer {
    const layers = Array.from({ length: this.#dice(4) }, () => this.#plantBlob(name, this.#pick(this.#blobs)))
    const config = this.#plantBlob(name, this.#pick(this.#blobs))
    return imageOf(config, layers, this.#more())
  }

  #makeIndex(name: RepositoryName): Buffer {
    const children = Array.from({ length: 1 + this.#dice(3) }, () => {
      if (this.#manifests.length === 0 || this.#dice(3) === 0) this.#plantManifest(name, this.#makeImage(name))
      const bytes = this.#pick(this.#manifests)
      return { digest: digestOf(bytes), size: bytes.length }
    })
    return indexOf(children, this.#more())
  }

  #more(): object {
    this.#count += 1
    const note = { annotations: { note: `${this.#count}` } }
    if (this.#manifests.length === 0 || this.#dice(4) > 0) return note
    const subject = this.#pick(this.#manifests)
    return { ...note, subject: { mediaType: 'm/t', digest: digestOf(subject), size: subject.length } }
  }

  #plantManifest(name: RepositoryName, bytes: Buffer): void {
    const { layout } = this.#store
    const digest = digestOf(bytes, this.#dice(15) === 0 ? 'sha512' : 'sha256')
    this.#manifests.push(bytes)
    this.#plantBytes(bytes, digest)
    this.#plant(layout.revisionLink(name, digest), digest)
    if (this.#dice(2) === 0) this.#tag(name, this.#pick(TAGS), digest)
  }

  #tag(name: RepositoryName, tag: Tag, digest: Digest): void {
    this.#plant(this.#store.layout.tagIndexLink(name, tag, digest), digest)
    plantFile(this.#store.layout.tagLink(name, tag), digest)
  }

  #retag(name: RepositoryName): void {
    const revisions = join(this.#store.layout.revisions(name), 'sha256')
    const known = existsSync(revisions) ? readdirSync(revisions) : []
    if (known.length > 0) this.#tag(name, this.#pick(TAGS), `sha256:${this.#pick(known)}` as Digest)
  }

  /** Deletes one link below `directory`, as a DELETE does, or a whole directory in it. */
  #drop(directory: string, whole: boolean): void {
    const entries = existsSync(directory) ? readdirSync(directory, { recursive: true, encoding: 'utf8' }) : []
    const links = entries.filter((path) => basename(path) === 'link')
    if (links.length === 0) return
    const link = join(directory, this.#pick(links))
    rmSync(whole ? dirname(dirname(link)) : link, { recursive: true })
  }

  #trash(): void {
    const bytes = this.#dice(3) === 0 ? Buffer.from(`trash ${this.#dice(1000)}`) : this.#pick(this.#blobs)
    const { layout } = this.#store
    plantFile(layout.blobTrash(digestOf(bytes)), bytes)
    if (this.#dice(4) > 0) rmSync(layout.blobData(digestOf(bytes)), { force: true })
  }

  #stray(name: RepositoryName): void {
    const { layout } = this.#store
    const places = [
      join(layout.repositories, 'README'),
      join(layout.blobs, 'notes'),
      join(layout.layers(name), 'sha256', 'nothing', 'link'),
      join(layout.tags(name), 'a stray'),
      join(layout.repository(name), 'notes'),
      join(layout.blobs, 'sha256', '00', 'data'),
    ]
    plantFile(this.#pick(places), 'stray')
    if (this.#dice(3) === 0) plantFile(layout.uploadData(name, crypto.randomUUID() as never), 'bytes')
    if (this.#dice(3) === 0) mkdirSync(join(layout.layers(name), 'sha256', 'f'.repeat(64)), { recursive: true })
  }

  #pin(name: RepositoryName): void {
    const image = this.#manifests.length > 0 ? digestOf(this.#pick(this.#manifests)) : undefined
    const images = image === undefined ? [] : [this.#dice(2) === 0 ? `${name}@${image}` : `${name}:v1`]
    const pin = { reason: 'test', images, blobs: [digestOf(this.#pick(this.#blobs))] }
    plantFile(join(this.#store.layout.pins, `pin-${this.#dice(3)}.json`), JSON.stringify(pin))
  }

  /** What registry:2 stores of things that were pushed by sha384, in whole or in part. */
  #plantUnknown(name: RepositoryName): void {
    const { layout } = this.#store
    const bytes = this.#pick(this.#blobs)
    const hex = createHash('sha384').update(bytes).digest('hex')
    const part = { digest: `sha384:${hex}` as Digest, size: bytes.length }
    const config = this.#plantBlob(name, this.#pick(this.#blobs))
    const child = this.#plantBlob(name, this.#pick(this.#blobs))
    const content = this.#pick([digestOf(bytes), '', part.digest])
    const way = this.#dice(6)
    if (way === 0) mkdirSync(join(layout.layers(name), 'sha384'), { recursive: true })
    else if (way === 1) plantFile(join(layout.layers(name), 'sha384', hex, 'link'), content)
    else if (way === 2) plantFile(join(layout.revisions(name), 'sha384', hex, 'link'), content)
    else if (way === 3) this.#plantManifest(name, imageOf(config, [part], this.#more()))
    else if (way === 4) this.#plantManifest(name, indexOf([part, child], this.#more()))
    else this.#plantManifest(name, imageOf(config, [child], { subject: part }))
  }

  /** Rarely, since what is broken makes the rest of a repository dull. */
  #hurt(name: RepositoryName): void {
    const { layout } = this.#store
    if (this.#dice(4) === 0) this.#plantUnknown(name)
    if (this.#dice(2) > 0) return
    const root = this.#pick([layout.revisions(name), layout.tags(name), layout.layers(name), layout.layers(name)])
    const entries = existsSync(root) ? readdirSync(root, { recursive: true, encoding: 'utf8' }) : []
    const links = entries.filter((path) => basename(path) === 'link' && !path.includes('nothing'))
    if (links.length > 0 && this.#dice(3) > 0) {
      const path = join(root, this.#pick(links))
      plantFile(path, this.#pick(['', 'sha256:12', `${readFileSync(path, 'utf8')}\n`]))
    } else if (this.#manifests.length > 0) {
      const path = layout.blobData(digestOf(this.#pick(this.#manifests)))
      if (this.#dice(2) === 0) rmSync(path, { force: true })
      else if (existsSync(path)) writeFileSync(path, 'broken')
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The naive computation.

interface Expectation {
  /** Paths of links that go; of blobs, their directories. */
  readonly links: string[]
  readonly manifests: number
  readonly trashed: string[]
  readonly restored: string[]
  readonly deleted: string[]
}

interface Policy {
  readonly untagged: boolean
  readonly ruleFor: (name: string) => boolean
  readonly isYoung: (path: string) => boolean
}

const WORD = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

interface Link {
  readonly path: string
  readonly named: string
  /** '' when it is torn. */
  readonly target: string
}

function walkFiles(directory: string): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? walkFiles(join(directory, entry.name)) : [join(directory, entry.name)],
  )
}

function linksBelow(directory: string): Link[] {
  return walkFiles(directory)
    .filter((path) => basename(path) === 'link')
    .map((path) => {
      const text = readFileSync(path, 'utf8')
      const named = `${basename(dirname(dirname(path)))}:${basename(dirname(path))}`
      return { path, named, target: WORD.test(text) ? text : '' }
    })
    .filter(({ named }) => WORD.test(named))
}

interface Facts {
  readonly children: string[]
  readonly blobs: string[]
  readonly subject: string
}

function expectCollection(root: string, policy: Policy): Expectation {
  const v2 = join(root, 'docker/registry/v2')
  const blobDirectory = (digest: string): string => {
    const [algorithm = '', hex = ''] = digest.split(':')
    return join(v2, 'blobs', algorithm, hex.slice(0, 2), hex)
  }
  const readFacts = (digest: string, stored: string): Facts | 'missing' | 'broken' => {
    const path = ['data', 'trashed'].map((name) => join(blobDirectory(stored), name)).find((each) => existsSync(each))
    if (path === undefined) return 'missing'
    const bytes = readFileSync(path)
    const [algorithm = '', hex] = digest.split(':')
    if (createHash(algorithm).update(bytes).digest('hex') !== hex) return 'broken'
    try {
      const json = JSON.parse(bytes.toString())
      if (json.schemaVersion !== 2) return 'broken'
      const blobs = [...(json.config ? [json.config] : []), ...(json.layers ?? [])].map((blob) => blob.digest)
      const children = (json.manifests ?? []).map((child: { digest: string }) => child.digest)
      return { blobs, children, subject: json.subject?.digest ?? '' }
    } catch {
      return 'broken'
    }
  }

  const pinFiles = walkFiles(join(root, '.tarn/state/pins')).map((path) => JSON.parse(readFileSync(path, 'utf8')))
  const needed = new Set<string>(pinFiles.flatMap((pin) => pin.blobs))
  for (const pin of pinFiles) for (const image of pin.images) if (image.includes('@')) needed.add(image.split('@')[1])

  const gone: string[] = []
  let manifestsGone = 0
  for (const name of NAMES) {
    const directory = join(v2, 'repositories', name)
    const layers = linksBelow(join(directory, '_layers'))
    const revisions = linksBelow(join(directory, '_manifests/revisions'))
    const currents = walkFiles(join(directory, '_manifests/tags'))
      .filter((path) => path.endsWith('/current/link'))
      .map((path) => ({ path, tag: basename(dirname(dirname(path))), text: readFileSync(path, 'utf8') }))
    const history = linksBelow(join(directory, '_manifests/tags')).filter(({ path }) => path.includes('/index/'))
    const pinned: string[] = pinFiles
      .flatMap((pin) => pin.images)
      .filter((image) => image.startsWith(`${name}@`))
      .map((image) => image.split('@')[1])

    const isHeld = (digest: string): boolean => revisions.some(({ named }) => named === digest)
    const storedOf = (digest: string): string[] => {
      const found = [...layers, ...revisions].filter(({ named }) => named === digest)
      return found.length === 0 ? [digest] : found.map(({ target }) => target || digest)
    }
    const tops = [...currents.map(({ text }) => text).filter((text) => WORD.test(text)), ...pinned]
    let isBroken =
      revisions.some(({ target }) => target === '') ||
      currents.some(({ text }) => !WORD.test(text)) ||
      layers.some(({ named, target }) => target === '' && named.startsWith('sha512'))
    const strange = ['_layers', '_manifests/revisions'].map((below) => join(directory, below, 'sha384'))
    // A directory in it is enough, though its link is gone.
    if (strange.some((path) => existsSync(path) && readdirSync(path).length > 0)) isBroken = true
    const facts = new Map<string, Facts>()
    for (const digest of new Set([...revisions.map(({ named }) => named), ...tops])) {
      const held = revisions.find(({ named }) => named === digest)
      const layer = pinned.includes(digest) ? undefined : layers.find(({ named }) => named === digest)
      const found = readFacts(digest, held?.target || (held ? digest : layer?.target || digest))
      if (found === 'broken' || (found === 'missing' && held !== undefined)) isBroken = true
      else if (found !== 'missing') facts.set(digest, found)
      if (typeof found === 'string') continue
      if ([...found.blobs, ...found.children, found.subject].some((named) => named.startsWith('sha384:')))
        isBroken = true
    }
    if (isBroken) {
      const all = [...layers, ...revisions, ...history].flatMap(({ named, target }) => [named, target])
      const contents = strange.flatMap(walkFiles).map((path) => readFileSync(path, 'utf8'))
      all.push(...contents.filter((text) => WORD.test(text)))
      for (const each of facts.values()) all.push(...each.blobs, ...each.children)
      for (const digest of [...all, ...tops]) for (const stored of [digest, ...storedOf(digest)]) needed.add(stored)
      continue
    }

    const kept = new Set<string>(tops)
    const byPolicy = policy.untagged || policy.ruleFor(name)
    for (const { path, named } of revisions) if (!byPolicy || policy.isYoung(path)) kept.add(named)
    for (let before = -1; before !== kept.size;) {
      before = kept.size
      for (const digest of kept) {
        for (const child of facts.get(digest)?.children ?? []) if (isHeld(child)) kept.add(child)
      }
      for (const { named } of revisions) if (kept.has(facts.get(named)?.subject ?? '')) kept.add(named)
    }
    const namedByKept = new Set<string>()
    for (const digest of kept) {
      const { children = [], blobs = [] } = facts.get(digest) ?? {}
      for (const each of [...children, ...blobs]) namedByKept.add(each)
      if (!isHeld(digest)) namedByKept.add(digest)
    }
    const targets = new Set([...namedByKept, ...kept].flatMap(storedOf))
    for (const digest of targets) needed.add(digest)
    for (const { path, named, target } of layers) {
      if (namedByKept.has(named) || policy.isYoung(path) || targets.has(target)) needed.add(target || named)
      else gone.push(path)
    }
    for (const { path, named } of revisions) {
      if (kept.has(named)) continue
      gone.push(path)
      manifestsGone += 1
    }
    for (const { path, named } of history) if (!kept.has(named) && !policy.isYoung(path)) gone.push(path)
  }

  const trashed: string[] = []
  const restored: string[] = []
  const deleted: string[] = []
  for (const directory of new Set(walkFiles(join(v2, 'blobs')).map((path) => dirname(path)))) {
    const digest = `${basename(dirname(dirname(directory)))}:${basename(directory)}`
    if (!WORD.test(digest)) continue
    const [data, trash] = ['data', 'trashed'].map((name) => join(directory, name))
    if (data === undefined || trash === undefined) continue
    if (existsSync(data) && !needed.has(digest) && !policy.isYoung(data)) trashed.push(directory)
    else if (existsSync(trash) && !existsSync(data) && needed.has(digest)) restored.push(directory)
    else if (existsSync(trash)) deleted.push(directory)
  }
  return { links: gone, manifests: manifestsGone, trashed, restored, deleted }
}

// ---------------------------------------------------------------------------------------------------------------------

/** Every file with its state, and every directory. */
function listStates(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((path) => {
      const { ino, size, ctimeMs } = lstatSync(join(directory, path))
      return `${path} ${ino} ${size} ${ctimeMs}`
    })
    .toSorted()
}

// Some fifty thousand tiny files: seconds in memory, minutes on a disk that others use too.
function makeHome(t: Test): string {
  if (!existsSync('/dev/shm')) return t.testdir({})
  const home = mkdtempSync('/dev/shm/tarn-')
  t.teardown(() => rmSync(home, { recursive: true }))
  return home
}

/** What two runs over the same directory have in common. */
const numbers = (report: CollectReport): CollectReport => ({ ...report, startedAt: '', seconds: 0, dryRun: false })

t.test(`${DIRECTORIES} random directories of seed ${SEED} lose what they should and nothing else`, async (t) => {
  const home = makeHome(t)
  const sum = { links: 0, manifests: 0, trashed: 0, restored: 0, deleted: 0, kept: 0, repositories: 0 }
  for (let round = 0; round < DIRECTORIES; round += 1) {
    const dice = makeDice(SEED * 1000 + round)
    const root = join(home, `${round}`)
    mkdirSync(root)
    const store = makeStore(root)
    mkdirSync(store.layout.repositories, { recursive: true })
    const planter = new Planter(store, dice)
    const names = NAMES.filter(() => dice(3) > 0)
    const repositories = names.length > 0 ? names : NAMES
    planter.plant(repositories, 6 + dice(28))
    const between = standStill(root)
    if (dice(2) === 0) planter.plant(repositories, 1 + dice(6))

    const untagged = dice(3) === 0
    const glob = dice(2) === 0 ? ['p/**', 'p'] : []
    const now = store.clock()
    const olderThan = now - between
    const settings = {
      lease: 0,
      untagged,
      untaggedAfter: [
        { repositories: ['p/0x'], age: Infinity },
        { repositories: glob, age: 0 },
      ],
    }
    const expected = expectCollection(root, {
      untagged,
      ruleFor: (name) => glob.length > 0 && name !== 'p/0x' && (name === 'p' || name.startsWith('p/')),
      isYoung: (path) => Math.floor(statSync(path).ctimeMs) > between,
    })
    const collector = makeCollector(store, settings, { clock: () => now })
    const states = listStates(root)
    const files = listFiles(root)
    const dry = await collector.run({ dryRun: true, olderThan })
    const isUntouched = listStates(root).join('\n') === states.join('\n')
    const report = await collector.run({ dryRun: false, olderThan })

    const inTrash = (path: string): boolean =>
      expected.trashed.includes(dirname(path)) && ['data', 'trashed'].includes(basename(path))
    const goes = new Set([...expected.links, ...expected.deleted.map((path) => join(path, 'trashed'))])
    const left = files
      .map((path) => join(root, path))
      .filter((path) => !goes.has(path) && !inTrash(path))
      .map((path) => (expected.restored.includes(dirname(path)) ? join(dirname(path), 'data') : path))
    const shown = (paths: string[]): string[] => paths.map((path) => path.slice(root.length + 1)).toSorted()
    const once = shown([...left, ...expected.trashed.map((path) => join(path, 'trashed'))])
    const afterOne = listFiles(root)
    await collector.run({ dryRun: false, olderThan })
    const afterTwo = listFiles(root)
    const third = await collector.run({ dryRun: true, olderThan })

    const isRight =
      isUntouched &&
      JSON.stringify(numbers(dry)) === JSON.stringify(numbers(report)) &&
      afterOne.join('\n') === once.join('\n') &&
      afterTwo.join('\n') === shown(left).join('\n') &&
      third.blobs.trashed + third.blobs.deleted + third.links.removed + third.manifests.removed === 0
    if (!isRight) {
      t.comment(`round ${round} of seed ${SEED}`)
      t.ok(isUntouched, 'a dry run touches nothing')
      t.same(numbers(report), numbers(dry), 'a dry run says what the run does')
      t.same(afterOne, once, 'after one run')
      t.same(afterTwo, shown(left), 'after two')
      t.match(third, { blobs: { trashed: 0, deleted: 0 }, links: { removed: 0 }, manifests: { removed: 0 } })
      return
    }
    t.match(report, {
      manifests: { removed: expected.manifests },
      links: { removed: expected.links.length - expected.manifests },
      blobs: { trashed: expected.trashed.length, restored: expected.restored.length, deleted: expected.deleted.length },
      complete: true,
    })
    sum.links += report.links.removed
    sum.manifests += report.manifests.removed
    sum.trashed += report.blobs.trashed
    sum.restored += report.blobs.restored
    sum.deleted += report.blobs.deleted
    sum.kept += report.blobs.kept
    sum.repositories += report.repositories.removed
    rmSync(root, { recursive: true })
  }
  t.comment(JSON.stringify(sum))
  // A generator that plants nothing to be collected would agree with anything.
  for (const [what, count] of Object.entries(sum)) t.ok(count >= 10, `${what}: ${count}`)
})
