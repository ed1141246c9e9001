import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { streamBundle } from '../../src/bundle/stream-bundle.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { EVERYTHING, makeBundleStore, plantImage } from '../helpers/bundle-images.ts'
import { A, makeContext } from '../helpers/store.ts'

const LAYER = Buffer.alloc(20_000_000, 7)

async function begin(t: Test) {
  const directory = t.testdir()
  const store = makeBundleStore(directory)
  plantImage(store, A, 'x', 'v1', { layer: LAYER })
  const options = { ...EVERYTHING, sequence: 3, now: 1_800_000_000_000, key: join(directory, 'no-key') }
  const { bytes, name } = await streamBundle(makeContext(store), options)
  return { bytes, name, isHeld: () => !store.leases.isFree(digestOf(LAYER)) }
}

t.test('what is streamed is held until the last byte was taken', async (t) => {
  const { bytes, name, isHeld } = await begin(t)
  t.match(name, /^bundle-3-[0-9a-f]{12}\.tar$/)
  t.ok(isHeld())
  let size = 0
  for await (const piece of bytes) size += (piece as Buffer).byteLength
  t.ok(size > LAYER.byteLength)
  t.equal(size % 512, 0)
  t.notOk(isHeld())
})

t.test('a client that reads slowly and goes away holds nothing any more', async (t) => {
  const { bytes, isHeld } = await begin(t)
  await once(bytes, 'readable')
  // It does not read on: the writer waits for room.
  while (!bytes.writableNeedDrain) await turn()
  t.ok(isHeld())
  bytes.destroy()
  while (isHeld()) await turn()
  t.pass('collections may take it')
})

t.test('nor does one that goes away when the writer can go no further', async (t) => {
  const { bytes, isHeld } = await begin(t)
  await once(bytes, 'readable')
  // All eight buffers of the writer wait behind the one write that the stream has begun and does not answer; seven are less.
  while (bytes.writableLength < 2_000_000) await turn()
  t.ok(isHeld())
  bytes.destroy()
  for (let turns = 0; turns < 100_000 && isHeld(); turns++) await turn()
  t.notOk(isHeld(), 'collections may take it')
})
