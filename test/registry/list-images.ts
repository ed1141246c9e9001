import { execFileSync } from 'node:child_process'
import { chmodSync, rmSync, symlinkSync } from 'node:fs'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseTag } from '../../src/oci/reference.ts'
import type { ListOptions, ListReport } from '../../src/registry/list-images.ts'
import { listImages } from '../../src/registry/list-images.ts'
import { listTree } from '../helpers/hostile.ts'
import { asNobody } from '../helpers/nobody.ts'
import { imageOf, indexOf, partOf, plantBlob, plantBytes, plantFile, plantManifest } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, makeStore } from '../helpers/store.ts'

const CONFIG = Buffer.from('{}')
const V1 = parseTag('v1')
const LONG_AGO = 1_000_000_000_000

function list({ layout }: TestStore, patterns: string[] = [], options: Partial<ListOptions> = {}): ListReport {
  return listImages(layout, {
    patterns,
    images: false,
    untagged: false,
    sizes: true,
    lastPulled: () => undefined,
    ...options,
  })
}

/** Plants an image of one layer; gives its bytes. */
function plantImage(store: TestStore, name: typeof A, layer: string, tag?: string): Buffer {
  plantBlob(store, name, CONFIG)
  plantBlob(store, name, Buffer.from(layer))
  const bytes = imageOf(partOf(CONFIG), [partOf(Buffer.from(layer))])
  plantManifest(store, name, bytes, tag === undefined ? undefined : parseTag(tag))
  return bytes
}

t.test('counts each blob of a repository once, and tells what another one holds too', (t) => {
  const store = makeStore(t.testdir({}))
  const image = plantImage(store, A, 'a layer', 'v1')
  plantFile(store.layout.tagLink(A, parseTag('v2')), digestOf(image))
  plantBlob(store, B, Buffer.from('a layer'))
  const report = list(store)
  const size = image.length + CONFIG.length + 'a layer'.length
  t.same(
    report.repositories.map(({ name, tags, manifests, bytes, sharedBytes }) => ({
      name,
      tags,
      manifests,
      bytes,
      sharedBytes,
    })),
    [
      { name: A, tags: 2, manifests: 1, bytes: size, sharedBytes: 'a layer'.length },
      { name: B, tags: 0, manifests: 0, bytes: 'a layer'.length, sharedBytes: 'a layer'.length },
    ],
  )
  t.same([report.tags, report.blobs, report.bytes, report.complete], [2, 3, size, true])
  t.end()
})

t.test('what is shared with repositories that are not listed counts, a link that was deleted does not', (t) => {
  const store = makeStore(t.testdir({}))
  plantImage(store, A, 'a layer', 'v1')
  const shared = plantBlob(store, B, Buffer.from('a layer'))
  t.equal(list(store, ['team/a']).repositories[0]?.sharedBytes, 7)
  rmSync(store.layout.layerLink(B, shared))
  t.equal(list(store, ['team/a']).repositories[0]?.sharedBytes, 0)
  t.end()
})

t.test('a blob that lies under another digest counts once, and a missing one not at all', (t) => {
  const store = makeStore(t.testdir({}))
  const bytes = Buffer.from('pushed by sha512')
  const stored = plantBlob(store, A, bytes)
  plantFile(store.layout.layerLink(A, digestOf(bytes, 'sha512')), stored)
  plantFile(store.layout.layerLink(A, digestOf(Buffer.from('lost'))), digestOf(Buffer.from('lost')))
  t.match(list(store), { blobs: 1, bytes: bytes.length, repositories: [{ bytes: bytes.length }] })
  t.end()
})

t.test('times are those of the newest link and of the last pull', (t) => {
  const store = makeStore(t.testdir({}))
  const image = plantImage(store, A, 'a', 'v1')
  plantImage(store, A, 'b', 'v2')
  const lastPulled = (name: string, digest: Digest) => (name === A && digest === digestOf(image) ? 77 : undefined)
  const [row] = list(store, [], { lastPulled, images: true }).repositories
  t.match(row, { pushedAt: LONG_AGO, pulledAt: 77 })
  t.same(
    row?.images.map(({ pulledAt, pushedAt }) => [pulledAt, pushedAt]),
    [
      [77, LONG_AGO],
      [undefined, LONG_AGO],
    ],
  )
  t.end()
})

t.test('a pattern lists only the tags that it names, with what each is', (t) => {
  const store = makeStore(t.testdir({}))
  const image = plantImage(store, A, 'a', 'v1')
  const platform = { os: 'linux', architecture: 'arm64', variant: 'v8' }
  const index = indexOf([{ ...partOf(image), platform } as ReturnType<typeof partOf>])
  plantManifest(store, A, index, parseTag('list'))
  const [row, ...others] = list(store, ['team/*:l*'], { images: true }).repositories
  t.same(others, [])
  t.match(row?.images, [{ tag: 'list', digest: digestOf(index), platforms: ['linux/arm64/v8'], state: 'here' }])
  t.equal(row?.images.length, 1)
  t.equal(row?.images[0]?.bytes, index.length + image.length + CONFIG.length + 1)
  t.same(list(store, ['team/*:x*']).repositories, [])
  t.match(list(store, [`team/a@${digestOf(image).slice(0, 19)}`], { images: true }).repositories, [
    { images: [{ tag: undefined, digest: digestOf(image) }] },
  ])
  t.end()
})

t.test('indexes that name one another again and again are opened once each', (t) => {
  const store = makeStore(t.testdir({}))
  let below = plantImage(store, A, 'the only layer')
  let size = below.length + CONFIG.length + 'the only layer'.length
  for (let level = 0; level < 7; level += 1) {
    below = indexOf(Array.from({ length: 20 }, () => partOf(below)))
    plantManifest(store, A, below, level === 6 ? V1 : undefined)
    size += below.length
  }
  const [image] = list(store, ['team/a:v1'], { images: true }).repositories[0]?.images ?? []
  t.equal(image?.bytes, size)
  t.match(image?.node.children, { length: 20 })
  t.same(
    image?.node.children.map(({ children }) => children.length),
    [20, ...Array.from({ length: 19 }, () => 0)],
  )
  const many = indexOf(Array.from({ length: 3000 }, () => partOf(plantImage(store, A, 'the only layer'))))
  plantManifest(store, A, many, parseTag('many'))
  const [wide] = list(store, ['team/a:many'], { images: true }).repositories[0]?.images ?? []
  const layers = wide?.node.children.map((child) => child.layers) ?? []
  t.equal(layers.length, 3000)
  t.ok(
    layers.every((each) => each === layers[0]),
    'it was read once',
  )
  t.end()
})

t.test('manifests without a tag are those that no index names', (t) => {
  const store = makeStore(t.testdir({}))
  const child = plantImage(store, A, 'child')
  const lone = plantImage(store, A, 'lone')
  plantManifest(store, A, indexOf([partOf(child)]), parseTag('list'))
  const [row] = list(store, [], { images: true, untagged: true }).repositories
  t.same(
    row?.images.map(({ tag, digest }) => tag ?? digest),
    ['list', digestOf(lone)],
  )
  t.end()
})

t.test('reads without writing, on a directory that another process keeps or that is read-only', (t) => {
  const store = makeStore(t.testdir({}))
  plantImage(store, A, 'a', 'v1')
  const before = listTree(store.directory)
  list(store, [], { images: true })
  t.same(listTree(store.directory), before)
  t.end()
})

t.test('torn links, uploads and stray files are no images; only what is torn may have been one', (t) => {
  const store = makeStore(t.testdir({}))
  plantImage(store, A, 'a', 'v1')
  plantFile(store.layout.tagLink(A, parseTag('torn')), '')
  plantFile(`${store.layout.repositories}/README`, 'x')
  plantFile(`${store.layout.tags(A)}/README`, 'x')
  plantFile(`${store.layout.repository(B)}/_uploads/0e9f5ad2-6c58-4c4f-9d33-6a3f2d6a1d11/data`, 'x')
  const report = list(store, [], { images: true })
  t.match(report, { complete: false, problems: [{ path: /^docker\/.*\/torn\/current\/link$/, what: 'a torn tag' }] })
  t.same(
    report.repositories.map(({ name, tags, uploads }) => [name, tags, uploads]),
    [
      [A, 1, 0],
      [B, 0, 1],
    ],
  )
  t.same(list(store, ['none', 'none/x']).repositories, [])
  t.match(list(store, ['team/a:v1']), { complete: true, problems: [] }, 'the torn one was not asked for')
  t.match(list(store, ['team/a:t*']), { complete: false, repositories: [] })
  t.end()
})

t.test('a manifest that is broken, missing or in the trash says so', (t) => {
  const store = makeStore(t.testdir({}))
  for (const [tag, act] of [
    ['broken', (digest: Digest) => plantBytes(store, Buffer.from('x'), digest)],
    ['missing', (digest: Digest) => rmSync(store.layout.blobData(digest))],
    [
      'trashed',
      (digest: Digest) => execFileSync('mv', [store.layout.blobData(digest), store.layout.blobTrash(digest)]),
    ],
  ] as const) {
    act(digestOf(plantImage(store, A, tag, tag)))
  }
  const [row] = list(store, [], { images: true }).repositories
  t.same(
    row?.images.map(({ tag, state }) => [tag, state]),
    [
      ['broken', 'broken'],
      ['missing', 'missing'],
      ['trashed', 'in trash'],
    ],
  )
  t.end()
})

t.test('a directory that cannot be read makes the list incomplete', (t) => {
  const store = makeStore(t.testdir({}))
  plantImage(store, A, 'a', 'v1')
  chmodSync(store.layout.tags(A), 0)
  const report = asNobody(() => list(store))
  chmodSync(store.layout.tags(A), 0o700)
  t.match(report, { complete: false, problems: [{ what: /EACCES/ }] })
  t.end()
})

t.test('a file in the place of a repository’s directory hides no other repository', (t) => {
  const store = makeStore(t.testdir({}))
  plantImage(store, A, 'a', 'v1')
  const other = parseRepositoryName('other')
  plantFile(store.layout.layers(other), 'x')
  t.same(
    list(store).repositories.map(({ name }) => name),
    [A],
  )
  t.end()
})

t.test('the time that it takes grows with the number of repositories, not faster', (t) => {
  const store = makeStore(t.testdir({}))
  const layer = Buffer.from('shared by all')
  const config = partOf(CONFIG)
  const image = imageOf(config, [partOf(layer)])
  for (let index = 0; index < 100; index += 1) {
    const name = parseRepositoryName(`many/r${index}`)
    plantBlob(store, name, CONFIG)
    plantBlob(store, name, layer)
    plantManifest(store, name, image, V1)
  }
  const calls: number[] = []
  const report = list(store, [], { onProgress: (_, done) => calls.push(done) })
  t.equal(report.repositories.length, 100)
  t.equal(report.bytes, image.length + layer.length + CONFIG.length)
  t.ok(report.repositories.every(({ bytes, sharedBytes }) => bytes === report.bytes && sharedBytes === bytes))
  t.equal(calls.length, 100, 'each repository is looked at once')
  t.end()
})

t.test('a repository without a tag that the pattern names counts as another holder', (t) => {
  const store = makeStore(t.testdir({}))
  plantImage(store, A, 'a layer', 'v1')
  plantImage(store, B, 'a layer', 'v2')
  const size = list(store, ['team/a']).repositories[0]?.bytes
  t.match(list(store, ['**:v1'], { images: true }).repositories, [
    { name: A, sharedBytes: size, images: [{ sharedBytes: size }] },
  ])
  t.end()
})

t.test('the sum is of what is listed', (t) => {
  const store = makeStore(t.testdir({}))
  const one = plantImage(store, A, 'one', 'v1')
  plantImage(store, A, 'the other one', 'v2')
  plantImage(store, B, 'one', 'v1')
  const { tags, blobs, bytes } = list(store, ['**:v1'], { images: true })
  t.same([tags, blobs, bytes], [2, 3, one.length + CONFIG.length + 'one'.length])
  t.equal(list(store).tags, 3)
  t.end()
})

t.test('patterns that match nothing are named, beside those that do', (t) => {
  const store = makeStore(t.testdir({}))
  plantImage(store, A, 'a', 'v1')
  plantFile(store.layout.tagLink(A, parseTag('torn')), '')
  const patterns = ['team/a:v1', 'team/a:v2', 'team/b', 'none', 'team/*:x*', 'team/a:t*', 'team/a@sha256:0123456789ab']
  const missing = ['team/a:v2', 'team/b', 'none', 'team/*:x*', 'team/a@sha256:0123456789ab']
  for (const sizes of [true, false]) t.same(list(store, patterns, { images: true, sizes }).missing, missing)
  t.same(list(store, ['team/a', 'team/*', '**']).missing, [])
  t.same(list(store).missing, [])
  t.end()
})

t.test('a link to a repository that leads nowhere makes the list incomplete', (t) => {
  const store = makeStore(t.testdir({}))
  plantImage(store, A, 'a', 'v1')
  symlinkSync('/nowhere/at/all', store.layout.repository(B))
  t.match(list(store), {
    complete: false,
    repositories: [{ name: A }],
    problems: [{ path: /team\/b$/, what: 'a link that leads nowhere' }],
  })
  t.equal(list(store, ['team/b'], { sizes: false }).complete, false)
  t.end()
})

t.test('what another repository holds and cannot be read makes SHARED uncertain, and says so', (t) => {
  const store = makeStore(t.testdir({}))
  plantImage(store, A, 'a', 'v1')
  plantImage(store, B, 'a', 'v1')
  chmodSync(store.layout.layers(B), 0)
  const report = asNobody(() => list(store, ['team/a']))
  chmodSync(store.layout.layers(B), 0o700)
  t.match(report, { complete: false, problems: [{ path: /team\/b\/_layers/, what: /EACCES/ }] })
  t.end()
})
