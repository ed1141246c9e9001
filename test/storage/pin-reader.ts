import { chmodSync, mkdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import type { Tag } from '../../src/oci/reference.ts'
import { PinReader } from '../../src/storage/pin-reader.ts'
import { STILL_AFTER_MS } from '../../src/storage/stamp.ts'
import { A, makeStore } from '../helpers/store.ts'

const pinOf = (tag: string): string => JSON.stringify({ images: [`${A}:${tag}`] })

function make(t: Test) {
  const store = makeStore(t.testdir({}))
  mkdirSync(store.layout.pins, { recursive: true })
  const reader = new PinReader(store.layout, store.clock)
  const path = (id: string): string => join(store.layout.pins, `${id}.json`)
  const tags = (): (Tag | undefined)[] => reader.list().pins.flatMap(({ images }) => images.map(({ tag }) => tag))
  return { store, reader, path, tags }
}

t.test('pins are read once while nothing changes', (t) => {
  const { reader, path, tags } = make(t)
  writeFileSync(path('a'), pinOf('v1'))
  const first = reader.list()
  t.same(tags(), ['v1'])
  t.equal(reader.list(), first)
  t.end()
})

t.test('every change is seen: a pin more, one less, one replaced, one written in its place', (t) => {
  const { store, path, tags } = make(t)
  t.same(tags(), [])
  writeFileSync(path('a'), pinOf('v1'))
  t.same(tags(), ['v1'])
  writeFileSync(path('b'), pinOf('v2'))
  t.same(tags(), ['v1', 'v2'])
  writeFileSync(path('a'), pinOf('v3'))
  t.same(tags(), ['v3', 'v2'])
  writeFileSync(`${path('a')}.tmp`, pinOf('v4'))
  renameSync(`${path('a')}.tmp`, path('a'))
  t.same(tags(), ['v4', 'v2'])
  rmSync(path('a'))
  t.same(tags(), ['v2'])
  rmSync(store.layout.pins, { recursive: true })
  t.same(tags(), [])
  t.end()
})

t.test('what changed just now is not kept, for it could change again and look the same', (t) => {
  const store = makeStore(t.testdir({}))
  mkdirSync(store.layout.pins, { recursive: true })
  const path = join(store.layout.pins, 'a.json')
  writeFileSync(path, pinOf('v1'))
  const { ctimeMs } = statSync(path)
  let now = Math.floor(ctimeMs) + STILL_AFTER_MS - 1
  const reader = new PinReader(store.layout, () => now)
  t.not(reader.list(), reader.list())
  now = Math.ceil(ctimeMs) + STILL_AFTER_MS + 1
  t.equal(reader.list(), reader.list())
  t.end()
})

t.test('a pin that cannot be read is told each time, until it can', (t) => {
  const { reader, path, tags } = make(t)
  writeFileSync(path('a'), '{')
  t.match(reader.list(), { pins: [], unreadable: [{ path: path('a') }] })
  t.match(reader.list().unreadable, [{ path: path('a') }])
  writeFileSync(path('a'), pinOf('v1'))
  t.same(tags(), ['v1'])
  mkdirSync(path('b'))
  t.equal(reader.list().unreadable.length, 1)
  t.equal(reader.list().unreadable.length, 1)
  t.end()
})

t.test('a pin whose times are set back, or whose rights changed, is read anew', (t) => {
  const { reader, path } = make(t)
  writeFileSync(path('a'), pinOf('v1'))
  const first = reader.list()
  utimesSync(path('a'), 1, 1)
  const second = reader.list()
  t.not(second, first)
  chmodSync(path('a'), 0o600)
  t.not(reader.list(), second)
  t.end()
})
