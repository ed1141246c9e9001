import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseTag } from '../../src/oci/reference.ts'
import type { Sync } from '../../src/storage/sync.ts'
import { findPin, formatPinned, readPins } from '../../src/storage/pins.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { plantFile } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, makeStore, recordSyncs } from '../helpers/store.ts'

const V1 = parseTag('v1')
const V2 = parseTag('v2')
const DIGEST = digestOf(Buffer.from('x'))
const PIN = {
  reason: 'release',
  images: [
    { name: A, tag: V1 },
    { name: B, digest: DIGEST },
  ],
  blobs: [DIGEST],
}

function plantImage({ layout }: TestStore, name: RepositoryName, digest: Digest, tag?: Tag): void {
  plantFile(layout.revisionLink(name, digest), digest)
  if (tag !== undefined) plantFile(layout.tagLink(name, tag), digest)
}

/** A store that holds the links of all that PIN names. */
function makePinnable(directory: string, sync?: Sync): TestStore {
  const store = makeStore(directory, sync)
  plantImage(store, A, DIGEST, V1)
  plantImage(store, B, DIGEST)
  return store
}

t.test('a pin is there for every reader when it was added, durably, and gone when it was removed', async (t) => {
  const sync = recordSyncs()
  const { pins, layout } = makePinnable(t.testdir({}), sync)
  t.same(pins.list(), { pins: [], unreadable: [] })
  await pins.add('release-4.14', PIN)
  t.ok(sync.seen.includes('link file'))
  t.ok(sync.seen.includes(`link directory ${layout.pins}`))
  t.same(readPins(layout), { pins: [{ id: 'release-4.14', ...PIN }], unreadable: [] })
  t.same(JSON.parse(readFileSync(join(layout.pins, 'release-4.14.json'), 'utf8')), {
    reason: 'release',
    images: ['team/a:v1', `team/b@${DIGEST}`],
    blobs: [DIGEST],
  })
  t.equal(await pins.remove('release-4.14'), true)
  t.equal(await pins.remove('release-4.14'), false)
  t.same(readdirSync(layout.pins), [])
})

t.test('a pin of the same id takes the place of the one before', async (t) => {
  const { pins } = makePinnable(t.testdir({}))
  await pins.add('x', PIN)
  await pins.add('x', { ...PIN, images: [] })
  t.same(pins.list().pins, [{ id: 'x', ...PIN, images: [] }])
})

t.test('it protects the tag and the digest that it names, in that repository', async (t) => {
  const { pins } = makePinnable(t.testdir({}))
  await pins.add('x', PIN)
  t.equal(pins.protects(A, { tag: V1 })?.id, 'x')
  t.equal(pins.protects(A, { tag: V2 }), undefined)
  t.equal(pins.protects(B, { tag: V1 }), undefined)
  t.equal(pins.protects(B, { digest: DIGEST })?.id, 'x')
  t.equal(pins.protects(A, { digest: DIGEST }), undefined)
  t.equal(findPin(pins.list().pins, A, {}), undefined)
  t.same(PIN.images.map(formatPinned), ['team/a:v1', `team/b@${DIGEST}`])
})

t.test('what was pinned just now is leased, so that a collection under way leaves it alone', async (t) => {
  const store = makePinnable(t.testdir({}))
  const { pins, leases } = store
  const tagged = digestOf(Buffer.from('tagged'))
  plantImage(store, A, tagged, V1)
  const blob: Digest = digestOf(Buffer.from('blob'))
  for (const digest of [tagged, DIGEST, blob]) t.ok(leases.isFree(digest))
  await pins.add('x', { ...PIN, blobs: [blob] })
  for (const digest of [tagged, DIGEST, blob]) t.notOk(leases.isFree(digest))
})

t.test('an image that is not here is not pinned, and the pin that was there stays as it was', async (t) => {
  const store = makePinnable(t.testdir({}))
  const { pins, layout } = store
  const lost = digestOf(Buffer.from('lost'))
  plantFile(layout.tagLink(B, V1), lost)
  const wrong = [
    { name: A, tag: V2 },
    { name: A, digest: lost },
    // Its manifest is not here.
    { name: B, tag: V1 },
  ]
  for (const image of wrong) {
    const refused = { message: `${formatPinned(image)} is not here`, hint: /tarn ls/ }
    await t.rejects(pins.add('new', { reason: '', images: [...PIN.images, image], blobs: [] }), refused)
    t.same(pins.list(), { pins: [], unreadable: [] })
  }
  const text = '{"images": ["team/a:v1"],\n "reason": "by hand"}'
  plantFile(join(layout.pins, 'x.json'), text)
  await t.rejects(pins.add('x', { ...PIN, images: wrong }), /is not here/)
  t.equal(readFileSync(join(layout.pins, 'x.json'), 'utf8'), text)
})

t.test('an image that the earlier pin names may be gone: a pin of several can always be changed', async (t) => {
  const store = makePinnable(t.testdir({}))
  const { pins, layout } = store
  await pins.add('x', PIN)
  for (const name of [A, B]) rmSync(layout.repository(name), { recursive: true })
  await pins.add('x', { ...PIN, images: PIN.images.slice(1) })
  t.same(pins.list().pins, [{ id: 'x', ...PIN, images: PIN.images.slice(1) }])
})

t.test('a file that cannot be understood is told, and the others are read', async (t) => {
  const { pins, layout } = makePinnable(t.testdir({}))
  await pins.add('good', PIN)
  const broken = {
    'empty.json': '',
    'torn.json': '{"reason":"x","ima',
    'list.json': '[1]',
    'null.json': 'null',
    'image.json': '{"images":["no image"]}',
    'tag.json': '{"images":["a:-x"]}',
    'blob.json': '{"blobs":["sha256:12"]}',
    'shape.json': '{"images":"a:v1"}',
  }
  for (const [file, text] of Object.entries(broken)) writeFileSync(join(layout.pins, file), text)
  mkdirSync(join(layout.pins, 'directory.json'))
  execFileSync('mkfifo', [join(layout.pins, 'pipe.json')])
  const { pins: read, unreadable } = pins.list()
  t.same(
    read.map(({ id }) => id),
    ['good', 'list'],
  )
  const expected = ['directory.json', 'pipe.json', ...Object.keys(broken)].filter((file) => file !== 'list.json')
  t.same(
    unreadable.map(({ path }) => path).toSorted(),
    expected.toSorted().map((file) => join(layout.pins, file)),
  )
})

t.test('a pin that a person wrote under any name protects; other files are nobody’s', async (t) => {
  const { pins, layout } = makeStore(t.testdir({}))
  plantFile(join(layout.pins, 'My Pin.json'), '{"images":["team/a:v1"]}')
  plantFile(join(layout.pins, 'notes.txt'), 'x')
  plantFile(join(layout.pins, 'x.json.tmp'), 'x')
  t.same(pins.list(), {
    pins: [{ id: 'My Pin', reason: '', images: [{ name: A, tag: V1 }], blobs: [] }],
    unreadable: [],
  })
  t.equal(await pins.remove('My Pin'), true)
})

t.test('no id leads out of the directory of pins', async (t) => {
  const { pins } = makeStore(t.testdir({}))
  for (const id of ['', '..', '../x', 'a/b', '.x', 'x'.repeat(200), 'a\0b']) {
    await t.rejects(pins.add(id, PIN), /cannot be the id/, JSON.stringify(id))
    t.equal(await pins.remove(id), false)
  }
})
