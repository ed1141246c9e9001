import { mkdirSync, readFileSync, statSync } from 'node:fs'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { A, B, makeStore, recordSyncs } from '../helpers/store.ts'
import { plantFile } from '../helpers/plant.ts'

const ONE = digestOf(Buffer.from('one'))
const TWO = digestOf(Buffer.from('two'))
const LONG = digestOf(Buffer.from('one'), 'sha512')

t.test('a repository holds what was linked into it, another does not', async (t) => {
  const store = makeStore(t.testdir({}))
  await store.links.add(A, ONE)
  t.equal(store.links.resolve(A, ONE), ONE)
  t.equal(store.links.resolve(B, ONE), undefined)
  t.equal(store.links.resolve(A, TWO), undefined)
  t.equal(readFileSync(store.layout.layerLink(A, ONE), 'latin1'), ONE, 'the digest and no line end')
})

t.test('the content of a link says where the bytes are, as distribution links sha512 to sha256', async (t) => {
  const store = makeStore(t.testdir({}))
  plantFile(store.layout.layerLink(A, LONG), ONE)
  t.equal(store.links.resolve(A, LONG), ONE)
  await store.links.add(B, LONG, ONE)
  t.equal(readFileSync(store.layout.layerLink(B, LONG), 'latin1'), ONE)
})

t.test('torn, empty and strange links are not there and never an error', async (t) => {
  const store = makeStore(t.testdir({}))
  const path = store.layout.layerLink(A, ONE)
  for (const text of ['', ONE.slice(0, 30), `${ONE}\n`, ONE.toUpperCase(), '../../../../etc/passwd', '\0'.repeat(71)]) {
    plantFile(path, text)
    t.equal(store.links.resolve(A, ONE), undefined, JSON.stringify(text))
  }
  mkdirSync(store.layout.layerLink(A, TWO), { recursive: true })
  t.equal(store.links.resolve(A, TWO), undefined, 'a directory in the place of the link')
})

t.test('a torn link is mended by the next one who links', async (t) => {
  const store = makeStore(t.testdir({}))
  plantFile(store.layout.layerLink(A, ONE), '')
  await store.links.add(A, ONE)
  t.equal(store.links.resolve(A, ONE), ONE)
})

t.test('an equal link is kept as it is and made durable once', async (t) => {
  const sync = recordSyncs()
  const store = makeStore(t.testdir({}), sync)
  const path = plantFile(store.layout.layerLink(A, ONE), ONE)
  const { ino } = statSync(path)
  await store.links.add(A, ONE)
  t.equal(statSync(path).ino, ino)
  t.ok(sync.seen.includes('held file'), 'it may have come by tar a second ago')
  t.notOk(sync.seen.includes('link file'))
  sync.seen.length = 0
  await store.links.add(A, ONE)
  t.same(sync.seen, [])
})

t.test('a removed link is gone, its removal durable, and its bytes stay', async (t) => {
  const sync = recordSyncs()
  const store = makeStore(t.testdir({}), sync)
  const data = plantFile(store.layout.blobData(ONE), 'one')
  await store.links.add(A, ONE)
  t.equal(await store.links.remove(A, ONE), true)
  t.match(sync.seen.at(-1), /^removed name .*\/_layers\/sha256\//)
  t.equal(store.links.resolve(A, ONE), undefined)
  t.equal(await store.links.remove(A, ONE), false)
  t.equal(readFileSync(data, 'utf8'), 'one')
})
