import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { setAsideWrong } from '../../../src/storage/check/set-aside.ts'
import { STILL_FOR_MS } from '../../../src/storage/quarantine.ts'
import { statFile } from '../../../src/storage/stamp.ts'
import { makeImages } from '../../helpers/checking.ts'

t.test('what only this process may not read is no proof, and stays', async (t) => {
  const { store, one } = makeImages(t)
  store.turn(STILL_FOR_MS)
  const path = store.layout.blobData(one.layer)
  const fault = { kind: 'blob-unreadable', path, what: 'EACCES', digest: one.layer, facts: statFile(path) } as const
  t.equal(await setAsideWrong(store, { ...fault, corrupt: false }, store.clock), 'other')
  t.ok(existsSync(path))
  t.equal(await setAsideWrong(store, { ...fault, corrupt: true }, store.clock), 'set aside')
  t.notOk(existsSync(path))
})

t.test('a file that was replaced since it was found wrong stays', async (t) => {
  const { store, one } = makeImages(t)
  const path = store.layout.blobData(one.layer)
  const good = readFileSync(path)
  writeFileSync(path, 'rot')
  const fault = { kind: 'blob-wrong', path, what: 'rot', digest: one.layer, facts: statFile(path) } as const
  writeFileSync(path, good)
  store.turn(STILL_FOR_MS)
  t.equal(await setAsideWrong(store, fault, store.clock), 'other')
  t.same(readFileSync(path), good)
})

t.test('a file from the future is as young as one of now', async (t) => {
  const { store, one } = makeImages(t)
  const path = store.layout.blobData(one.layer)
  const facts = statFile(path)
  if (facts === undefined) throw new Error('absent')
  const fault = { kind: 'blob-wrong', path, what: 'rot', digest: one.layer } as const
  const later = { ...facts, changedAt: store.clock() + 1e9 }
  t.equal(await setAsideWrong(store, { ...fault, facts: later }, store.clock), 'young')
})
