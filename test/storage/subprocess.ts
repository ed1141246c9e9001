import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'
import t from 'tap'
import { runSubprocess } from '../../src/storage/subprocess.ts'

const OTHER_SIDE = new URL('../../src/storage/subprocess.ts', import.meta.url).href

/** Runs a process that acts as `body` says; gives what it said. */
function run(t: Test, body: string, onMessage: (message: unknown) => void = () => undefined, signal?: AbortSignal) {
  const directory = t.testdir({})
  const code = `import { answerParent } from ${JSON.stringify(OTHER_SIDE)}\nanswerParent(async (data) => { ${body} })`
  writeFileSync(`${directory}/other.ts`, code)
  const from = pathToFileURL(`${directory}/caller.ts`).href
  return runSubprocess({ from, file: 'other', data: { hello: 'process' }, onMessage, signal })
}

t.test('messages come in their order, and the end after them', async (t) => {
  const heard: unknown[] = []
  await run(t, 'return [data.hello, new Map([[1, "x".repeat(300_000)]]), 2]', (message) => heard.push(message))
  t.same(heard, ['process', new Map([[1, 'x'.repeat(300_000)]]), 2])
})

t.test('what the process throws is thrown, in the middle of its messages as well', async (t) => {
  await t.rejects(run(t, 'throw Object.assign(new TypeError("broken"), { code: "EIO" })'), {
    message: 'broken',
    name: 'TypeError',
    code: 'EIO',
  })
  const heard: unknown[] = []
  const breaking = 'return (function* () { yield 1; throw new Error("broken") })()'
  await t.rejects(
    run(t, breaking, (message) => heard.push(message)),
    { message: 'broken' },
  )
  t.same(heard, [1])
})

t.test('a process that ends without an end has failed', async (t) => {
  await t.rejects(run(t, 'process.exit(3)'), /code 3/)
  await t.rejects(run(t, 'process.kill(process.pid, "SIGKILL"); return []'), /SIGKILL|code/)
})

t.test('a process that never comes back is ended by the signal, and says nothing more', async (t) => {
  const stop = new AbortController()
  const heard: unknown[] = []
  const endless =
    'return (function* () { yield process.pid; for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1e9) })()'
  const running = run(
    t,
    endless,
    (message) => {
      heard.push(message)
      stop.abort(new Error('enough'))
    },
    stop.signal,
  )
  await t.rejects(running, { message: 'enough' })
  t.equal(heard.length, 1)
  t.throws(() => process.kill(heard[0] as number, 0), { code: 'ESRCH' })
})

t.test('what the listener throws ends it', async (t) => {
  const running = run(t, 'return (function* () { for (;;) yield 1 })()', () => {
    throw new Error('no more')
  })
  await t.rejects(running, { message: 'no more' })
})
