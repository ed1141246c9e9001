import fc from 'fast-check'
import t from 'tap'
import { formatDuration, parseDuration } from '../../src/config/duration.ts'

const GOOD: [string, number][] = [
  ['168h', 604_800_000],
  ['1m30s', 90_000],
  ['60s', 60_000],
  ['1.5h', 5_400_000],
  ['.5s', 500],
  ['250ms', 250],
  ['1us', 0.001],
  ['1µs', 0.001],
  ['1μs', 0.001],
  ['1ns', 0.000001],
  ['-10s', -10_000],
  ['+10s', 10_000],
  ['0', 0],
  ['0s', 0],
]
for (const [text, milliseconds] of GOOD) {
  t.test(`${text} is ${milliseconds} ms`, async (t) => t.equal(parseDuration(text), milliseconds))
}

for (const text of ['', '10', '1d', 'h', '1h 30m', '1 h', '1.h.', '1e3s', '--1s', '1H', 's1', '1m30']) {
  t.test(`"${text}" is no duration`, async (t) => t.equal(parseDuration(text), undefined))
}

t.test('a duration is written in its largest units', async (t) => {
  const written = [604_800_000, 90_000, 60_000, 1500, 0, 0.00006, -10_000].map(formatDuration)
  t.same(written, ['168h', '1m30s', '1m', '1s500ms', '0s', '60ns', '-10s'])
})

t.test('what is written is read back', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 12 }), (milliseconds) => {
      return parseDuration(formatDuration(milliseconds)) === milliseconds
    }),
  )
})
