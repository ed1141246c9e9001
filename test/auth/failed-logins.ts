import t from 'tap'
import { createFailedLogins, networkOf } from '../../src/auth/failed-logins.ts'

function make(capacity?: number) {
  let now = 1_000_000
  const failed = createFailedLogins({ clock: () => now, ...(capacity === undefined ? {} : { capacity }) })
  return { failed, pass: (milliseconds: number) => (now += milliseconds) }
}

t.test('three mistakes are free, then the delay doubles up to two seconds and stays there', (t) => {
  const { failed } = make()
  const delays = Array.from({ length: 12 }, () => {
    const before = failed.delayBefore('eve', '192.0.2.1')
    return before + failed.fail('eve', '192.0.2.1')
  })
  t.same(delays, [0, 0, 0, 0, 100, 200, 400, 800, 1600, 2000, 2000, 2000])
  t.end()
})

t.test('a client that did not fail itself is never delayed before its check', (t) => {
  const { failed } = make()
  for (let i = 0; i < 50; i += 1) failed.fail('eve', '192.0.2.1')
  t.equal(failed.delayBefore('eve', '192.0.2.2'), 0)
  t.equal(failed.delayBefore('adam', '192.0.2.1'), 0)
  t.end()
})

t.test('one address that tries many users is held back, and so are many addresses that try one user', (t) => {
  const many = make()
  for (let i = 0; i < 20; i += 1) many.failed.fail(`user${i}`, '192.0.2.1')
  t.equal(many.failed.fail('another', '192.0.2.1'), 2000)
  const spread = make()
  for (let i = 0; i < 20; i += 1) spread.failed.fail('eve', `192.0.2.${i}`)
  t.equal(spread.failed.fail('eve', '198.51.100.1'), 2000)
  t.end()
})

t.test('a right login clears its own pair and not what else the address did', (t) => {
  const { failed } = make()
  for (let i = 0; i < 20; i += 1) failed.fail('eve', '192.0.2.1')
  failed.succeed('eve', '192.0.2.1')
  t.equal(failed.delayBefore('eve', '192.0.2.1'), 0)
  t.equal(failed.fail('other', '192.0.2.1'), 2000)
  t.end()
})

t.test('failures are forgotten after five quiet minutes', (t) => {
  const { failed, pass } = make()
  for (let i = 0; i < 20; i += 1) failed.fail('eve', '192.0.2.1')
  pass(300_000)
  t.equal(failed.delayBefore('eve', '192.0.2.1'), 0)
  t.equal(failed.fail('eve', '192.0.2.1'), 0)
  t.end()
})

t.test('memory is bounded: the record that was quiet for longest goes', (t) => {
  const { failed } = make(30)
  for (let i = 0; i < 10; i += 1) failed.fail('eve', '192.0.2.1')
  for (let i = 0; i < 100; i += 1) failed.fail(`user${i}`, `198.51.100.${i}`)
  t.equal(failed.delayBefore('eve', '192.0.2.1'), 0)
  t.end()
})

t.test('an IPv6 client is its /64, and a mapped IPv4 address is that address', (t) => {
  t.equal(networkOf('::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2')
  t.equal(networkOf('2001:db8:1:2::9'), networkOf('2001:0db8:1:2:ffff::'))
  t.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0')
  t.equal(networkOf('::1'), '0:0:0:0')
  t.equal(networkOf('2001:db8::'), '2001:db8:0:0')
  t.end()
})
