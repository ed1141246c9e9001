import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync } from 'node:fs'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import {
  listSigned,
  MOST_SIGNATURE_BYTES,
  MOST_SIGNATURES,
  readSignature,
  readSignatures,
  storeSignature,
} from '../../src/storage/signatures.ts'
import { plantFile } from '../helpers/plant.ts'
import { makeStore, recordSyncs } from '../helpers/store.ts'

const RELEASE = digestOf(Buffer.from('release'))
const OTHER = digestOf(Buffer.from('other'))

t.test('signatures of a digest are numbered as they come, durably, under the names of their stores', async (t) => {
  const sync = recordSyncs()
  const store = makeStore(t.testdir({}), sync)
  t.same(readSignatures(store.layout, RELEASE), [])
  t.same(await storeSignature(store, RELEASE, Buffer.from('one')), { number: 1, added: true })
  t.ok(sync.seen.includes('link file'))
  t.ok(sync.seen.includes(`link directory ${store.layout.signaturesOf(RELEASE)}`))
  t.same(await storeSignature(store, RELEASE, Buffer.from('two')), { number: 2, added: true })
  const path = `${store.directory}/.tarn/state/signatures/sha256=${RELEASE.slice(7)}`
  t.same(readdirSync(path), ['signature-1', 'signature-2'])
  t.same(readFileSync(`${path}/signature-2`, 'utf8'), 'two')
  t.same(
    readSignatures(store.layout, RELEASE).map(({ number, bytes }) => [number, bytes.toString()]),
    [
      [1, 'one'],
      [2, 'two'],
    ],
  )
})

t.test('one that is there already is not stored again, and is durable all the same', async (t) => {
  const sync = recordSyncs()
  const store = makeStore(t.testdir({}), sync)
  // As a tar brings it.
  plantFile(store.layout.signature(RELEASE, 1), 'one')
  t.same(await storeSignature(store, RELEASE, Buffer.from('one')), { number: 1, added: false })
  t.ok(sync.seen.includes('held file'))
  t.same(readdirSync(store.layout.signaturesOf(RELEASE)), ['signature-1'])
})

t.test('those who store at the same time take numbers one after the other', async (t) => {
  const store = makeStore(t.testdir({}))
  const texts = ['a', 'b', 'a', 'c']
  const stored = await Promise.all(texts.map((text) => storeSignature(store, RELEASE, Buffer.from(text))))
  t.same(
    stored.map(({ number }) => number),
    [1, 2, 1, 3],
  )
})

t.test('what no reader would take is refused, and so is one more than anybody reads', async (t) => {
  const store = makeStore(t.testdir({}))
  await t.rejects(storeSignature(store, RELEASE, Buffer.alloc(0)), { name: 'Problem' })
  await t.rejects(storeSignature(store, RELEASE, Buffer.alloc(MOST_SIGNATURE_BYTES + 1, 'x')), { name: 'Problem' })
  for (let number = 1; number <= MOST_SIGNATURES; number += 1) {
    await storeSignature(store, RELEASE, Buffer.from(`signature ${number}`))
  }
  await t.rejects(storeSignature(store, RELEASE, Buffer.from('one more')), { name: 'Problem' })
  t.same(await storeSignature(store, RELEASE, Buffer.from('signature 3')), { number: 3, added: false })
})

t.test('a gap ends the list, and the next one fills it', async (t) => {
  const store = makeStore(t.testdir({}))
  plantFile(store.layout.signature(RELEASE, 1), 'one')
  plantFile(store.layout.signature(RELEASE, 3), 'three')
  t.equal(readSignatures(store.layout, RELEASE).length, 1)
  t.same(await storeSignature(store, RELEASE, Buffer.from('two')), { number: 2, added: true })
  t.equal(readSignatures(store.layout, RELEASE).length, 3)
})

t.test('what is no signature is not there: an empty or huge file, a directory, a pipe', async (t) => {
  const { layout } = makeStore(t.testdir({}))
  plantFile(layout.signature(RELEASE, 1), '')
  plantFile(layout.signature(RELEASE, 2), Buffer.alloc(MOST_SIGNATURE_BYTES + 1).toString('latin1'))
  mkdirSync(layout.signature(RELEASE, 3))
  execFileSync('mkfifo', [layout.signature(RELEASE, 4)])
  for (const number of [1, 2, 3, 4, 5, 0, -1, 1.5, MOST_SIGNATURES + 1]) {
    t.equal(readSignature(layout, RELEASE, number), undefined, `${number}`)
  }
})

t.test('the digests that have signatures are listed, whatever else lies there', async (t) => {
  const store = makeStore(t.testdir({}))
  t.same(listSigned(store.layout), [])
  for (const digest of [RELEASE, OTHER]) await storeSignature(store, digest, Buffer.from('x'))
  plantFile(`${store.layout.signatures}/sha256=nonsense/signature-1`, 'x')
  plantFile(`${store.layout.signatures}/stray`, 'x')
  mkdirSync(store.layout.signaturesOf(digestOf(Buffer.from('empty'))))
  t.same(listSigned(store.layout), [RELEASE, OTHER].toSorted())
})
