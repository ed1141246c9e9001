import t from 'tap'
import { parseAge } from '../../src/cli/age.ts'

t.test('times are written as in the configuration, and in days', async (t) => {
  const hour = 3_600_000
  const cases: [string, number][] = [
    ['36h', 36 * hour],
    ['90m', 1.5 * hour],
    ['7d', 168 * hour],
    ['1d12h', 36 * hour],
    ['0s', 0],
    ['0', 0],
    ['0d', 0],
    ['1h30m', 1.5 * hour],
  ]
  for (const [text, expected] of cases) t.equal(parseAge(text), expected, text)
})

t.test('what is no time is refused', async (t) => {
  for (const text of ['', '5', 'd', '-1h', '1d-1h', '1d+1h', '1h1d', '1.5d', '7 d', 'week']) {
    t.throws(() => parseAge(text), { code: 'commander.invalidArgument' }, text)
  }
})
