import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { Pieces } from '../../src/upstream/pieces.ts'

t.test('each piece is the memory that came, also when several waited', async (t) => {
  const stream = new PassThrough({ highWaterMark: 1_000_000 })
  const sent = [Buffer.from('one'), Buffer.from('two'), Buffer.from('three')]
  for (const each of sent) stream.write(each)
  const pieces = new Pieces(stream)
  for (const each of sent) t.equal(await pieces.next(), each)
  stream.end('end')
  t.same(await pieces.next(), Buffer.from('end'))
  t.equal(await pieces.next(), undefined)
  t.equal(await pieces.next(), undefined)
})

t.test('a stream that nobody takes from has to wait', async (t) => {
  let made = 0
  const stream = new Readable({
    highWaterMark: 1,
    read() {
      made += 1
      this.push(made > 100 ? null : Buffer.alloc(100_000, made))
    },
  })
  const pieces = new Pieces(stream)
  await once(stream, 'pause')
  t.ok(made < 10, `${made} pieces of 100 were made`)
  for (let i = 1; i <= 100; i += 1) t.equal((await pieces.next())?.[0], i)
  t.equal(await pieces.next(), undefined)
})

t.test('a stream that breaks off gives what came, then its error', async (t) => {
  const stream = new PassThrough()
  const pieces = new Pieces(stream)
  const last = new Promise((resolve) => stream.once('data', resolve))
  stream.write('one')
  await last
  stream.destroy(new Error('broken'))
  t.same(await pieces.next(), Buffer.from('one'))
  await t.rejects(pieces.next(), { message: 'broken' })
})

t.test('a stream that is closed before its end is no whole one', async (t) => {
  const stream = new PassThrough()
  const pieces = new Pieces(stream)
  const next = pieces.next()
  stream.destroy()
  await t.rejects(next, { message: /before its end/ })
})

t.test('a stream that broke off before anybody read it tells that too', async (t) => {
  const broken = new PassThrough()
  broken.on('error', () => undefined)
  broken.destroy(new Error('broken'))
  await new Promise((resolve) => broken.once('close', resolve))
  await t.rejects(new Pieces(broken).next(), { message: 'broken' })
  const empty = new PassThrough()
  empty.resume().end()
  await once(empty, 'close')
  t.equal(await new Pieces(empty).next(), undefined)
})
