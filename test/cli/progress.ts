import { PassThrough } from 'node:stream'
import t from 'tap'
import { createProgress, formatProgress } from '../../src/cli/progress.ts'

function makeView({ isTTY = false, quiet = false, columns = 80 } = {}) {
  const stderr = Object.assign(new PassThrough(), { isTTY, columns })
  let now = 0
  const lines = new PassThrough()
  const view = createProgress({ stderr, quiet, lines, clock: () => now })
  const written = () => String(stderr.read() ?? '')
  return { view, turn: (ms: number) => (now += ms), written, told: () => String(lines.read() ?? '') }
}

t.test('elsewhere than on a terminal each step is one line, however often it moves', async (t) => {
  const { view, written, told } = makeView()
  view.update({ phase: 'waiting', done: 0 })
  for (let done = 0; done < 100; done++) view.update({ phase: 'reading', done, total: 100 })
  view.line('a finding')
  view.update({ phase: 'reading', done: 100, total: 100 })
  view.update({ phase: 'collecting', done: 1 })
  view.end()
  t.equal(written(), 'phase: reading\nphase: collecting\n')
  t.equal(told(), 'a finding\n')
})

t.test('on a terminal one line is drawn again and again, and taken away for others', async (t) => {
  const { view, turn, written, told } = makeView({ isTTY: true, columns: 60 })
  view.update({ phase: 'reading', done: 0, total: 200 })
  turn(4000)
  view.update({ phase: 'reading', done: 50, total: 200 })
  const drawn = written()
  t.notMatch(drawn, /\n/)
  const last = drawn.split('\r\u001b[K').at(-1) ?? ''
  t.equal(last, 'reading  [#####---------------]   25%  50 of 200  13/s  12')
  t.ok(last.length < 60, 'never wider than the terminal, which would break the line')
  view.line('a finding\u001b[1A')
  t.equal(written(), '\r\u001b[K')
  t.equal(told(), 'a finding\\x1b[1A\n')
  view.update({ phase: 'reading', done: 60, total: 200 })
  written()
  view.end()
  t.equal(written(), '\r\u001b[K')
})

t.test('with --quiet there is nothing but the lines of the act itself', async (t) => {
  const { view, written, told } = makeView({ isTTY: true, quiet: true })
  view.update({ phase: 'reading', done: 1 })
  view.line('a finding')
  view.end()
  t.equal(written(), '')
  t.equal(told(), 'a finding\n')
})

t.test(
  'speed is in bytes where bytes are known; the time left is guessed when there is something to guess from',
  async (t) => {
    const of = formatProgress
    t.equal(of({ phase: 'a', done: 3 }, 0), 'a  3')
    t.equal(of({ phase: 'a', done: 300 }, 1000), 'a  300  300/s')
    t.equal(
      of({ phase: 'a', done: 1, total: 4, bytes: 20_000_000 }, 10_000),
      'a  [#####---------------]   25%  1 of 4  2.00 MB/s  30 s left',
    )
    t.equal(
      of({ phase: 'images', done: 1, total: 3, bytes: 50_000_000, totalBytes: 200_000_000 }, 10_000),
      'images  [#####---------------]   25%  1 of 3  50.0 MB of 200 MB  5.00 MB/s  30 s left',
      'where both are counted it is the bytes that take the time',
    )
    t.match(of({ phase: 'a', done: 1, total: 1000 }, 10_000), /166 min|2 h 46 min left$/)
    t.match(of({ phase: 'a', done: 1, total: 50 }, 10_000), /8 min 10 s left$/)
    t.notMatch(of({ phase: 'a', done: 4, total: 4 }, 10_000), /left/)
    t.notMatch(of({ phase: 'a', done: 1, total: 4 }, 100), /left/)
    t.match(of({ phase: 'a', done: 0, total: 0 }, 100), /^a {2}0 of 0$/)
  },
)
