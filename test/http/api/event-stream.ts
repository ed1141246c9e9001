import { once } from 'node:events'
import { mock } from 'node:test'
import t from 'tap'
import { EventStream } from '../../../src/http/api/event-stream.ts'
import type { Finding } from '../../../src/registry/check.ts'
import { eventsOf } from '../../helpers/api.ts'

async function readAll(stream: EventStream): Promise<Record<string, unknown>[]> {
  const parts: Buffer[] = []
  for await (const part of stream.readable) parts.push(part as Buffer)
  return eventsOf(Buffer.concat(parts))
}

const finding = (path: string): Finding => ({ kind: 'blob', path, what: 'rotten', outcome: 'found' })

t.test('findings come in their order and the report last', async (t) => {
  const stream = new EventStream()
  stream.finding(finding('a'))
  stream.finding(finding('b'))
  stream.end({ event: 'report', report: { ok: true } })
  stream.finding(finding('late'))
  stream.end({ event: 'report', report: { ok: false } })
  t.same(await readAll(stream), [
    { event: 'finding', ...finding('a') },
    { event: 'finding', ...finding('b') },
    { event: 'report', report: { ok: true } },
  ])
})

t.test('of much progress at most ten lines a second are sent, the first at once', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const stream = new EventStream()
  const lines: Record<string, unknown>[] = []
  stream.readable.on('data', (part: Buffer) => lines.push(...eventsOf(part)))
  // A thousand a second, for 450 ms.
  for (let done = 1; done <= 450; done++) {
    stream.progress({ phase: 'sweep', done })
    mock.timers.tick(1)
  }
  stream.end({ event: 'report', report: null })
  await once(stream.readable, 'end')
  t.same(
    lines.filter(({ event }) => event === 'progress').map(({ done }) => done),
    [1, 100, 200, 300, 400, 450],
    'the newest counts, not the oldest, and the last is told',
  )
})

t.test('an act that ends within a tick has told its newest step', async (t) => {
  const stream = new EventStream()
  stream.progress({ phase: 'waiting', done: 0 })
  stream.progress({ phase: 'blobs', done: 1 })
  stream.progress({ phase: 'links', done: 2 })
  stream.end({ event: 'report', report: {} })
  t.same(await readAll(stream), [
    { event: 'progress', phase: 'waiting', done: 0 },
    { event: 'progress', phase: 'links', done: 2 },
    { event: 'report', report: {} },
  ])
})

t.test('a client that does not read makes nobody keep more than a bounded number of lines', async (t) => {
  const stream = new EventStream()
  const long = 'x'.repeat(1000)
  for (let i = 0; i < 50_000; i++) stream.finding(finding(`${i} ${long}`))
  for (let i = 0; i < 1000; i++) stream.progress({ phase: 'blobs', done: i })
  stream.end({ event: 'report', report: { findings: 50_000 } })
  const lines = await readAll(stream)
  const found = lines.filter(({ event }) => event === 'finding')
  t.ok(found.length >= 10_000 && found.length < 11_000, `${found.length}`)
  t.match(found.at(-1)?.['path'], new RegExp(`^${found.length - 1} `), 'the first ones, none left out between')
  t.equal(lines.filter(({ event }) => event === 'progress').length, 0)
  t.same(lines.at(-1), { event: 'report', report: { findings: 50_000 } })
})

t.test('after the client went away nothing is kept and nothing is thrown', async (t) => {
  const stream = new EventStream()
  stream.readable.destroy()
  await once(stream.readable, 'close')
  stream.progress({ phase: 'blobs', done: 1 })
  stream.finding(finding('a'))
  stream.end({ event: 'report', report: {} })
  t.equal(stream.readable.readableLength, 0)
})
