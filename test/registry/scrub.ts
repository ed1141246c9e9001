import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { mock } from 'node:test'
import type { Test } from 'tap'
import t from 'tap'
import type { Checker, CheckerParts } from '../../src/registry/check.ts'
import { readCursor, writeCursor } from '../../src/storage/check/cursor.ts'
import { runSurvey } from '../../src/storage/check/run-survey.ts'
import type { SurveyOptions } from '../../src/storage/check/survey.ts'
import { makeChecker, makeImages } from '../helpers/checking.ts'
import { plantFile } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'

const DAY = 86_400_000

async function waitFor(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}

/** Begins the pass in the background; `ended` waits for the end of the next survey and of what follows it. */
function begin(t: Test, store: TestStore, parts: Partial<CheckerParts> = {}) {
  const lines: { level: string; fields: object; text: string }[] = []
  const surveys: SurveyOptions[] = []
  let survey = Promise.withResolvers<void>()
  const at =
    (level: string) =>
    (fields: object, text = ''): void =>
      void lines.push({ level, fields, text })
  const checker: Checker = makeChecker(t, store, {
    firstPassAfter: 0,
    async startSurvey(options, onMessage, signal) {
      surveys.push(options)
      try {
        await runSurvey(options, onMessage, signal)
      } finally {
        survey.resolve()
      }
    },
    ...parts,
  })
  const stop = checker.start({ info: at('info'), warn: at('warn'), error: at('error') })
  // Its own timers hold no process.
  const holding = setInterval(() => undefined, 1000)
  t.teardown(() => {
    stop()
    clearInterval(holding)
  })
  const ended = async (): Promise<void> => {
    await survey.promise
    // What the survey told is handled after it.
    await waitFor(() => checker.scrub.cursor === '' && checker.scrub.lastPassEndedAt !== undefined)
    survey = Promise.withResolvers<void>()
  }
  return { checker, lines, surveys, stop, ended }
}

t.test('a pass reads everything, and its end is kept over a restart', async (t) => {
  const { store } = makeImages(t)
  const { checker, ended, lines } = begin(t, store)
  await ended()
  const { lastPassEndedAt, passStartedAt, ...scrub } = checker.scrub
  t.match(scrub, { cursor: '', share: 0, found: 0 })
  t.ok(scrub.checkedBytes > 10_000)
  t.ok(passStartedAt !== undefined && lastPassEndedAt !== undefined && lastPassEndedAt >= passStartedAt)
  t.same(lines, [])
  t.same(readCursor(store.layout), { after: '', passStartedAt, lastPassEndedAt })
})

t.test('what it finds wrong is refused, told, and healed from the trash', async (t) => {
  const { store, one, two } = makeImages(t)
  const { layout } = store
  const good = readFileSync(layout.blobData(one.layer))
  plantFile(layout.blobTrash(one.layer), good)
  writeFileSync(layout.blobData(one.layer), 'rot')
  writeFileSync(layout.blobData(two.layer), Buffer.alloc(5000, 'rot'))
  rmSync(layout.tagLink(two.name, two.tag))
  await store.blobs.ensureWhole(two.config)
  const { checker, ended, lines } = begin(t, store)
  await ended()
  t.equal(checker.scrub.found, 3)
  t.same(readFileSync(layout.blobData(one.layer)), good)
  t.equal(store.blobs.state(two.layer), undefined, 'a suspect')
  t.match(
    store.verdicts.suspects().map(({ digest }) => digest),
    [two.layer],
    'which the quarantine looks after',
  )
  const told = lines.map(({ fields, text }) => `${(fields as { kind?: string }).kind} ${text}`)
  t.match(told.toSorted(), [
    'blob-wrong the check found something wrong',
    'blob-wrong the check found something wrong, and healed it',
    'tag-wrong the check found something wrong',
    /^undefined the check in the background ended/,
  ])
  t.notOk(existsSync(layout.tagLink(two.name, two.tag)), 'links are for a person to heal')
})

t.test('it goes on where the last one was ended', async (t) => {
  const { store, one, two } = makeImages(t)
  const sorted = [one.config, one.layer, one.manifest, two.config, two.layer, two.manifest].toSorted()
  const [, , after = ''] = sorted
  const passStartedAt = store.clock() - DAY / 2
  writeCursor(store.layout, { after, passStartedAt, lastPassEndedAt: undefined })
  const { checker, ended, surveys } = begin(t, store)
  t.match(checker.scrub, { cursor: after, passStartedAt })
  t.ok(checker.scrub.share > 0 && checker.scrub.share < 1)
  await ended()
  t.equal(surveys[0]?.after, after)
  t.match(checker.scrub, { cursor: '', passStartedAt })
})

t.test('a pass that goes on has what is left of its time, and is in no greater hurry than a pass a day', async (t) => {
  const { store, one } = makeImages(t)
  const within = async (passStartedAt: number): Promise<number> => {
    writeCursor(store.layout, { after: one.layer, passStartedAt, lastPassEndedAt: undefined })
    const { ended, surveys, stop } = begin(t, store, { settings: { rate: '20MB', within: 30 * DAY } })
    await ended()
    stop()
    return (surveys[0]?.pace?.within ?? 0) / DAY
  }
  // A tenth is kept for what takes longer than it should.
  t.match(Math.round(10 * (await within(store.clock() - 20 * DAY))), 90)
  t.match(Math.round(10 * (await within(store.clock() - 100 * DAY))), 9)
  t.match(Math.round(10 * (await within(store.clock() + 100 * DAY))), 270, 'a clock that was turned back')
})

t.test('it ends at once, however slow it is, and keeps where it was', async (t) => {
  const { store } = makeImages(t)
  const reached = Promise.withResolvers<void>()
  const over = Promise.withResolvers<void>()
  const { checker, stop } = begin(t, store, {
    // Hours for this directory.
    settings: { rate: '1B', within: 365 * DAY },
    async startSurvey(options, onMessage, signal) {
      const running = runSurvey(options, onMessage, signal)
      setTimeout(() => reached.resolve(), 300)
      await running.finally(() => over.resolve())
    },
  })
  await reached.promise
  stop()
  await over.promise
  t.equal(readCursor(store.layout).passStartedAt, checker.scrub.passStartedAt)
  t.equal(checker.scrub.lastPassEndedAt, undefined)
})

t.test('the next pass begins when a thirtieth of the time for a pass is over', async (t) => {
  const { store } = makeImages(t)
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const surveys: number[] = []
  const { checker } = begin(t, store, {
    settings: { rate: '1MB', within: 30 * DAY },
    async startSurvey() {
      surveys.push(store.clock())
    },
  })
  const tick = async (milliseconds: number): Promise<void> => {
    store.turn(milliseconds)
    mock.timers.tick(milliseconds)
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }
  await tick(1)
  t.equal(surveys.length, 1)
  for (let hour = 0; hour < 23; hour += 1) await tick(3_600_000)
  t.equal(surveys.length, 1)
  await tick(3_600_000)
  await tick(3_600_000)
  t.equal(surveys.length, 2)
  t.ok(checker.scrub.lastPassEndedAt)
})

t.test('a pass that fails is told and tried again', async (t) => {
  const { store } = makeImages(t)
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  let tries = 0
  const { lines } = begin(t, store, {
    async startSurvey() {
      tries += 1
      throw new Error('injected')
    },
  })
  const tick = async (milliseconds: number): Promise<void> => {
    mock.timers.tick(milliseconds)
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }
  await tick(1)
  t.match(lines, [{ level: 'error', text: 'the check in the background failed' }])
  await tick(3_600_000)
  t.equal(tries, 2)
})

t.test('while the directory is another one’s to write, nothing is healed and nothing kept', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  renameSync(layout.blobData(one.layer), plantFile(layout.quarantined(one.layer, 1), ''))
  const { checker, ended } = begin(t, store, { rules: { readOnly: () => 'another process keeps it' } })
  await ended()
  t.equal(checker.scrub.found, 1)
  t.notOk(existsSync(layout.blobData(one.layer)))
  t.notOk(existsSync(layout.checkCursor))
})

t.test('what is right again when it is looked at is not counted, also not at the end', async (t) => {
  const { store, one } = makeImages(t)
  const { checker, lines } = begin(t, store, {
    async startSurvey(options, onMessage, signal) {
      await runSurvey(options, onMessage, signal)
      const path = store.layout.blobData(one.layer)
      onMessage({ type: 'fault', fault: { kind: 'blob-missing', path, digest: one.layer, what: 'it was not here' } })
    },
  })
  await waitFor(() => checker.scrub.lastPassEndedAt !== undefined)
  t.equal(checker.scrub.found, 0)
  t.same(lines, [])
})

t.test('closing the checker ends the pass and what it heals, and resolves when they have ended', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  const good = readFileSync(layout.blobData(one.layer))
  rmSync(layout.blobData(one.layer))
  const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const source = {
    name: 'upstream',
    async open() {
      asked.resolve()
      await gate.promise
      return Readable.from([good])
    },
  }
  const { checker } = begin(t, store, { sources: [source] })
  await asked.promise
  await checker.close()
  t.ok(store.leases.isFree(one.layer), 'it holds nothing any more')
  gate.resolve()
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  t.notOk(existsSync(layout.blobData(one.layer)))
  t.equal(checker.scrub.lastPassEndedAt, undefined)
  t.equal(readCursor(layout).lastPassEndedAt, undefined)
})

t.test('closing waits for a survey that does not end at once', async (t) => {
  const { store } = makeImages(t)
  const [begun, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const { checker } = begin(t, store, {
    async startSurvey() {
      begun.resolve()
      await gate.promise
    },
  })
  await begun.promise
  let isClosed = false
  const closing = checker.close().then(() => (isClosed = true))
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  t.notOk(isClosed)
  gate.resolve()
  await closing
  t.equal(checker.scrub.lastPassEndedAt, undefined, 'it did not come to its end')
})

t.test('a lock that is lost while it heals keeps the bytes out', async (t) => {
  const { store, one } = makeImages(t)
  const good = readFileSync(store.layout.blobData(one.layer))
  rmSync(store.layout.blobData(one.layer))
  let reason: string | undefined
  const source = {
    name: 'upstream',
    async open() {
      reason = 'the lock was lost'
      return Readable.from([good])
    },
  }
  const { checker } = begin(t, store, { sources: [source], rules: { readOnly: () => reason } })
  await waitFor(() => checker.scrub.lastPassEndedAt !== undefined)
  t.equal(checker.scrub.found, 1)
  t.notOk(existsSync(store.layout.blobData(one.layer)))
})
