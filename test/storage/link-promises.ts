import { statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { LinkPromises, touchedEvery } from '../../src/storage/link-promises.ts'
import { standStill } from '../helpers/collect.ts'

const HOUR = 3_600_000

/** A link with an mtime of long ago, and a moment after its ctime. */
function plantLink(t: Test): { readonly path: string; readonly moment: number } {
  const directory = t.testdir({})
  const path = join(directory, 'link')
  writeFileSync(path, 'sha256:…')
  utimesSync(path, 1_000_000, 1_000_000)
  return { path, moment: standStill(directory) }
}

t.test('a promise makes the ctime of an old link now, and leaves its mtime', async (t) => {
  const { path, moment } = plantLink(t)
  await new LinkPromises(
    24 * HOUR,
    () => true,
    () => Date.now() + 2 * HOUR,
  ).touch(path)
  const { ctimeMs, mtimeMs } = statSync(path)
  t.ok(ctimeMs > moment)
  t.equal(mtimeMs, 1_000_000_000)
})

t.test('a link that is young enough is left alone: a write an hour is enough for a day', async (t) => {
  const { path, moment } = plantLink(t)
  await new LinkPromises(
    24 * HOUR,
    () => true,
    () => Date.now() + HOUR / 2,
  ).touch(path)
  t.ok(statSync(path).ctimeMs < moment)
  t.same([touchedEvery(24 * HOUR), touchedEvery(HOUR)], [HOUR, HOUR / 2])
})

t.test('who does not keep the directory touches nothing, and what is not there is no error', async (t) => {
  const { path, moment } = plantLink(t)
  const later = (): number => Date.now() + 2 * HOUR
  await new LinkPromises(HOUR, () => false, later).touch(path)
  t.ok(statSync(path).ctimeMs < moment)
  await new LinkPromises(HOUR, () => true, later).touch(`${path}.gone`)
})
