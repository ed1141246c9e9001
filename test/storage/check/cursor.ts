import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { digestOf } from '../../../src/oci/digest.ts'
import { NO_CURSOR, readCursor, writeCursor } from '../../../src/storage/check/cursor.ts'
import { createLayout } from '../../../src/storage/layout.ts'

t.test('what was written is read', async (t) => {
  const layout = createLayout(t.testdir({}))
  const cursor = { after: digestOf(Buffer.from('last')), passStartedAt: 1000, lastPassEndedAt: undefined }
  writeCursor(layout, cursor)
  t.same(readCursor(layout), cursor)
})

t.test('a missing, torn or strange file is no cursor', async (t) => {
  const layout = createLayout(t.testdir({}))
  t.same(readCursor(layout), NO_CURSOR)
  mkdirSync(dirname(layout.checkCursor), { recursive: true })
  for (const text of ['', '{', 'null', '[]', '{"after":"../../x","passStartedAt":"now","lastPassEndedAt":{}}']) {
    writeFileSync(layout.checkCursor, text)
    t.same(readCursor(layout), NO_CURSOR, text)
  }
})

t.test('a disk that takes nothing is no error', async (t) => {
  const layout = createLayout(t.testdir({ '.tarn': 'a file in the way' }))
  t.doesNotThrow(() => writeCursor(layout, NO_CURSOR))
})
