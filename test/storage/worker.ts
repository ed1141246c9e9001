import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'
import t from 'tap'
import { runWorker } from '../../src/storage/worker.ts'

/** Runs `code` in a thread; gives what it said. */
function run(t: Test, code: string, onMessage: (message: unknown) => void = () => undefined, signal?: AbortSignal) {
  const directory = t.testdir({})
  writeFileSync(`${directory}/thread.ts`, `import { parentPort, workerData } from 'node:worker_threads'\n${code}`)
  const from = pathToFileURL(`${directory}/caller.ts`).href
  return runWorker({ from, file: 'thread', data: { hello: 'thread' }, onMessage, signal })
}

t.test('messages come in their order, and the end after them', async (t) => {
  const heard: unknown[] = []
  await run(
    t,
    'parentPort!.postMessage(workerData.hello); for (let i = 0; i < 3; i += 1) parentPort!.postMessage(i)',
    (message) => heard.push(message),
  )
  t.same(heard, ['thread', 0, 1, 2])
})

t.test('what the thread throws is thrown', async (t) => {
  await t.rejects(run(t, 'throw new TypeError("broken")'), { message: 'broken', name: 'TypeError' })
})

t.test('a thread that ends with a code has failed', async (t) => {
  await t.rejects(run(t, 'process.exit(3)'), /code 3/)
})

t.test('a thread that never comes back is ended by the signal, and says nothing more', async (t) => {
  const stop = new AbortController()
  const heard: unknown[] = []
  const endless =
    'parentPort!.postMessage(1); for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1e9)'
  const running = run(
    t,
    endless,
    (message) => {
      heard.push(message)
      stop.abort(new Error('enough'))
    },
    stop.signal,
  )
  await t.rejects(running, /enough/)
  t.same(heard, [1])
  await t.rejects(run(t, endless, undefined, stop.signal), /enough/, 'and none is begun after that')
})

t.test('an error of the listener ends the thread and is thrown', async (t) => {
  const running = run(t, 'for (;;) parentPort!.postMessage(1)', () => {
    throw new Error('not to be heard')
  })
  await t.rejects(running, /not to be heard/)
})

t.test('the thread sees nothing of the environment', async (t) => {
  const heard: unknown[] = []
  await run(t, 'parentPort!.postMessage(Object.keys(process.env).length)', (message) => heard.push(message))
  t.same(heard, [0])
})
