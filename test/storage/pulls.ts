import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { readPulls } from '../../src/storage/pulls-file.ts'
import type { PullsParts } from '../../src/storage/pulls.ts'
import { Pulls } from '../../src/storage/pulls.ts'

const MINUTE = 60_000
const ONE = digestOf(Buffer.from('one'))
const TWO = digestOf(Buffer.from('two'))
const START = 1_790_000_040_000

function make(t: Test, parts: Partial<PullsParts> = {}, directory = t.testdir({})) {
  const path = join(directory, 'state', 'pulls')
  const time = { now: START }
  const open = (): Pulls => new Pulls({ path, clock: () => time.now, writable: () => true, ...parts })
  return { path, time, open, pulls: open(), lines: () => readFileSync(path, 'utf8').split('\n') }
}

t.test('a pull is known to the minute, and what nobody pulled is not', async (t) => {
  const { pulls, time } = make(t)
  pulls.note('a', ONE)
  time.now += 59_999
  pulls.note('a', TWO)
  t.equal(pulls.lastPulled('a', ONE), START)
  t.equal(pulls.lastPulled('a', TWO), START)
  t.equal(pulls.lastPulled('b', ONE), undefined)
  time.now += 1
  pulls.note('a', ONE)
  t.equal(pulls.lastPulled('a', ONE), START + MINUTE)
  t.equal(pulls.lastPulled('a', TWO), START)
  t.equal(pulls.since, START)
})

t.test('noting writes nothing; flushing writes what changed, and the next life knows it', async (t) => {
  const { pulls, time, path, open, lines } = make(t)
  pulls.note('a', ONE)
  t.notOk(existsSync(path))
  pulls.flush()
  t.same(lines(), [`tarn-pulls 1 ${START / 1000}`, `a ${ONE} ${START / 1000}`, ''])
  const { mtimeMs } = statSync(path)
  pulls.flush()
  t.equal(statSync(path).mtimeMs, mtimeMs)
  time.now += MINUTE
  pulls.note('a', ONE)
  pulls.note('b/c', TWO)
  pulls.flush()
  t.equal(lines().length, 5)
  time.now += MINUTE
  const next = open()
  t.equal(next.since, START)
  t.equal(next.lastPulled('a', ONE), START + MINUTE)
  t.equal(next.lastPulled('b/c', TWO), START + MINUTE)
  const read = readPulls(path)
  t.equal(read.since, START)
  t.equal(read.lastPulled('a', ONE), START + MINUTE)
  t.equal(read.lastPulled('a', TWO), undefined)
})

t.test('the beginning of the record is kept although nothing was pulled', async (t) => {
  const { pulls, time, open } = make(t)
  pulls.flush()
  time.now += 100 * MINUTE
  t.equal(open().since, START)
})

t.test('the file does not grow beyond twice what it says', async (t) => {
  const { pulls, time, lines, open } = make(t)
  for (let minute = 0; minute < 1200; minute += 1) {
    time.now += MINUTE
    pulls.note('a', ONE)
    pulls.flush()
    if (lines().length > 1002) t.fail('too long')
  }
  t.ok(lines().length < 300)
  t.equal(open().lastPulled('a', ONE), START + 1200 * MINUTE)
})

t.test(
  'who does not keep the directory writes nothing, and takes the file over with what the keeper wrote',
  async (t) => {
    let keeps = false
    const { pulls: keeper, path, time, open } = make(t)
    const reader = new Pulls({ path, clock: () => time.now, writable: () => keeps })
    reader.note('a', ONE)
    reader.flush()
    t.notOk(existsSync(path))
    keeper.note('a', TWO)
    keeper.flush()
    keeps = true
    reader.flush()
    t.equal(reader.lastPulled('a', TWO), START)
    t.equal(open().lastPulled('a', ONE), START)
  },
)

t.test('torn and strange lines say nothing, and the file is mended', async (t) => {
  const { pulls, path, open, time } = make(t)
  pulls.note('a', ONE)
  pulls.flush()
  appendFileSync(
    path,
    `\n\0\0\0\nwhat ever\na ${ONE}\na ${TWO} 99999999999999999999\nb ${TWO} ${START / 1000}\na ${TWO} 17`,
  )
  const next = open()
  t.equal(next.lastPulled('a', ONE), START)
  t.equal(next.lastPulled('a', TWO), undefined)
  t.equal(next.lastPulled('b', TWO), START)
  time.now += MINUTE
  next.note('a', TWO)
  next.flush()
  t.same(readFileSync(path, 'utf8').split('\n').toSorted(), [
    '',
    `a ${TWO} ${START / 1000 + 60}`,
    `a ${ONE} ${START / 1000}`,
    `b ${TWO} ${START / 1000}`,
    `tarn-pulls 1 ${START / 1000}`,
  ])
})

t.test('a file without a header is begun anew, now; one of a later version is left alone', async (t) => {
  const { path, open, time } = make(t)
  mkdirSync(join(path, '..'))
  writeFileSync(path, Buffer.alloc(4096))
  time.now += 5 * MINUTE
  const anew = open()
  t.equal(anew.since, START + 5 * MINUTE)
  anew.flush()
  t.equal(open().since, START + 5 * MINUTE)
  const later = `tarn-pulls 2 17 x\na ${ONE} 17\n`
  writeFileSync(path, later.replace(' x', ''))
  const beside = open()
  t.equal(beside.since, START + 5 * MINUTE)
  beside.note('a', ONE)
  beside.flush()
  t.equal(readFileSync(path, 'utf8'), later.replace(' x', ''))
})

t.test('what came by tar counts as pulled when it came, since it says nothing of this machine', async (t) => {
  const { path, pulls, time, open } = make(t)
  time.now = Date.now()
  pulls.note('a', ONE)
  pulls.flush()
  writeFileSync(path, `tarn-pulls 1 1000\na ${ONE} 60000\n`)
  utimesSync(path, 70_000, 70_000)
  const came = Math.floor(statSync(path).ctimeMs)
  const next = open()
  t.ok(Math.abs(next.since - came) <= 1)
  next.flush()
  t.ok(Math.abs(open().since - came) <= 1000, 'and stays so when the file is ours again')
})

t.test('a tar over the file of a running server takes nothing away', async (t) => {
  const { path, pulls, time, open } = make(t)
  pulls.note('a', ONE)
  pulls.flush()
  rmSync(path)
  writeFileSync(path, `tarn-pulls 1 1000\nb ${TWO} 60000\n`)
  time.now += MINUTE
  pulls.flush()
  const next = open()
  t.equal(next.lastPulled('a', ONE), START)
  t.equal(next.lastPulled('b', TWO), 60_000_000)
  t.equal(next.since, START)
})

t.test('a directory that cannot be written fails nothing, and is written when it can be', async (t) => {
  const { path, pulls, open } = make(t)
  // A file in the place of the directory: also root is refused.
  writeFileSync(join(path, '..'), '')
  pulls.note('a', ONE)
  pulls.flush()
  rmSync(join(path, '..'))
  pulls.flush()
  t.equal(open().lastPulled('a', ONE), START)
  rmSync(path)
  mkdirSync(path)
  chmodSync(path, 0o700)
  t.equal(open().lastPulled('a', ONE), undefined)
  pulls.flush()
  t.equal(pulls.lastPulled('a', ONE), START)
})

t.test('memory has an end: the oldest are forgotten, and count as pulled when the last of them was', async (t) => {
  const { pulls, time, open } = make(t, { most: 100 })
  const nth = (n: number): string => digestOf(Buffer.from(String(n)))
  for (let n = 0; n < 1000; n += 1) {
    time.now = START + n * MINUTE
    pulls.note(`r${n % 3}`, nth(n))
  }
  const known = Array.from({ length: 1000 }, (_, n) => pulls.lastPulled(`r${n % 3}`, nth(n)))
  const first = known.findIndex((time) => time !== undefined)
  t.ok(first >= 900 && first <= 910, String(first))
  t.same(
    known.slice(first),
    Array.from({ length: 1000 - first }, (_, n) => START + (first + n) * MINUTE),
  )
  t.equal(pulls.since, START + first * MINUTE)
  pulls.flush()
  t.equal(open().since, pulls.since)
})

t.test('a clock that was set back is followed', async (t) => {
  const { pulls, time } = make(t)
  time.now += 1000 * MINUTE
  pulls.note('a', ONE)
  time.now = START
  pulls.note('a', ONE)
  t.equal(pulls.lastPulled('a', ONE), START)
})

const nthOf = (n: number): string => digestOf(Buffer.from(String(n)))
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A record of more manifests than are written in one piece. */
function makeMany(t: Test, parts: Partial<PullsParts> = {}) {
  const made = make(t, parts)
  for (let n = 0; n < 25_000; n += 1) made.pulls.note('a', nthOf(n))
  return made
}

t.test('a long file is written anew in pieces, and what is noted meanwhile is not lost', async (t) => {
  const { pulls, path, time, open, lines } = makeMany(t)
  const writing = pulls.flushGently()
  await turn()
  t.notOk(existsSync(path), 'other work comes between the pieces')
  time.now += MINUTE
  pulls.note('a', nthOf(0))
  pulls.note('b', ONE)
  await writing
  t.equal(open().lastPulled('a', nthOf(24_999)), START)
  const before = lines().length
  await pulls.flushGently()
  t.equal(lines().length, before + 2, 'and no more is added')
  t.equal(open().lastPulled('a', nthOf(0)), START + MINUTE)
  t.equal(open().lastPulled('b', ONE), START + MINUTE)
  t.notOk(existsSync(`${path}.tmp`))
})

t.test('a flush in the middle of it is complete at once, and nothing is written behind it', async (t) => {
  const { pulls, path, time, open } = makeMany(t)
  const writing = pulls.flushGently()
  await turn()
  time.now += MINUTE
  pulls.note('a', nthOf(0))
  pulls.flush()
  const known = open()
  t.equal(known.lastPulled('a', nthOf(0)), START + MINUTE)
  t.equal(known.lastPulled('a', nthOf(24_999)), START)
  rmSync(path)
  await writing
  t.notOk(existsSync(path))
  t.notOk(existsSync(`${path}.tmp`))
})

t.test('what is forgotten while it is written is not promised by the file', async (t) => {
  const { pulls, time, open } = makeMany(t, { most: 25_000 })
  const writing = pulls.flushGently()
  await turn()
  time.now += MINUTE
  pulls.note('b', ONE)
  t.equal(pulls.since, START + MINUTE)
  await writing
  t.equal(open().since, START + MINUTE)
})

t.test('a process that lost the directory meanwhile leaves the file as it was', async (t) => {
  let keeps = true
  const { pulls, path } = makeMany(t, { writable: () => keeps })
  const writing = pulls.flushGently()
  await turn()
  keeps = false
  await writing
  t.notOk(existsSync(path))
  keeps = true
  await pulls.flushGently()
  t.ok(existsSync(path))
})

t.test('a gentle flush where nothing can be written fails nothing', async (t) => {
  const { pulls, path, open } = makeMany(t)
  writeFileSync(join(path, '..'), '')
  await pulls.flushGently()
  rmSync(join(path, '..'))
  await pulls.flushGently()
  t.equal(open().lastPulled('a', nthOf(1)), START)
})
