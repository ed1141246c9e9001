import t from 'tap'
import { Leases } from '../../src/storage/leases.ts'

function make(duration = 1000): { leases: Leases; readonly turn: (ms: number) => void } {
  let now = 0
  return { leases: new Leases(duration, () => now), turn: (ms) => void (now += ms) }
}

t.test('a lease keeps a digest for its time and no longer', async (t) => {
  const { leases, turn } = make()
  t.ok(leases.isFree('sha256:a'))
  leases.lease('sha256:a')
  turn(999)
  t.notOk(leases.isFree('sha256:a'))
  turn(1)
  t.ok(leases.isFree('sha256:a'))
})

t.test('a lease that is taken again is longer', async (t) => {
  const { leases, turn } = make()
  leases.lease('sha256:a')
  turn(600)
  leases.lease('sha256:a')
  turn(600)
  t.notOk(leases.isFree('sha256:a'))
})

t.test('a lease outlives the exchange of generations', async (t) => {
  const { leases, turn } = make()
  turn(900)
  leases.lease('sha256:a')
  turn(200)
  leases.lease('sha256:b')
  t.notOk(leases.isFree('sha256:a'))
  turn(799)
  t.notOk(leases.isFree('sha256:a'))
  turn(1)
  t.ok(leases.isFree('sha256:a'))
  turn(5000)
  leases.lease('sha256:c')
  t.ok(leases.isFree('sha256:b'))
})

t.test('a hold keeps until the last holder lets go, and letting go twice is once', async (t) => {
  const { leases } = make()
  const first = leases.hold(['team/a', 'sha256:a', 'sha256:a'])
  const second = leases.hold(['sha256:a'])
  first()
  first()
  t.ok(leases.isFree('team/a'))
  t.notOk(leases.isFree('sha256:a'))
  second()
  t.ok(leases.isFree('sha256:a'))
})

t.test('what is promised at a moment can be listed: leased or held digests, no names of repositories', async (t) => {
  const { leases, turn } = make()
  leases.lease('sha256:over')
  turn(600)
  leases.lease('sha256:old')
  turn(500)
  leases.lease('sha256:young')
  leases.hold(['team/a', 'sha256:held'])
  t.same([...leases.promised()].toSorted(), ['sha256:held', 'sha256:old', 'sha256:young'])
})

t.test('what was touched since a collection began is not free for it, however short the lease', async (t) => {
  const { leases, turn } = make()
  const before = leases.hold(['sha256:before'])
  leases.beginCollection()
  leases.lease('sha256:leased')
  leases.hold(['sha256:held'])()
  before()
  turn(10_000)
  t.same(
    ['leased', 'held', 'before', 'other'].map((name) => leases.isFree(`sha256:${name}`)),
    [false, false, false, true],
  )
  leases.endCollection()
  t.ok(leases.isFree('sha256:leased'))
  leases.beginCollection()
  t.ok(leases.isFree('sha256:held'), 'the next one begins anew')
})
