import t from 'tap'
import { Absences } from '../../src/mirror/absences.ts'
import { UpstreamError } from '../../src/upstream/upstream-error.ts'

t.test('a no is kept for a minute, and all else not at all', async (t) => {
  let now = 0
  const absences = new Absences(() => now)
  const no = new UpstreamError('notFound', 'no')
  absences.note('a', no)
  absences.note('b', new UpstreamError('unreachable', 'away'))
  absences.note('c', new Error('else'))
  t.throws(() => absences.check('a'), no)
  for (const key of ['b', 'c', 'd']) t.doesNotThrow(() => absences.check(key))
  now = 60_001
  t.doesNotThrow(() => absences.check('a'))
})

t.test('a flood of names is forgotten, not kept', async (t) => {
  const absences = new Absences(() => 0)
  const no = new UpstreamError('notFound', 'no')
  for (let i = 0; i <= 10_000; i += 1) absences.note(String(i), no)
  t.doesNotThrow(() => absences.check('0'))
  t.throws(() => absences.check('10000'), no)
})
