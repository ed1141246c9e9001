import t from 'tap'
import { addressBytes, parseHost } from '../../src/tls/host-name.ts'

t.test('takes names, wildcards and addresses', (t) => {
  t.same(parseHost('Registry.Example.com.'), { kind: 'dns', name: 'registry.example.com' })
  t.same(parseHost('*.example.com'), { kind: 'dns', name: '*.example.com' })
  t.same(parseHost('localhost'), { kind: 'dns', name: 'localhost' })
  t.same(parseHost('bücher.example'), { kind: 'dns', name: 'xn--bcher-kva.example' })
  t.same(parseHost('192.0.2.1'), { kind: 'ip', address: '192.0.2.1' })
  t.same(parseHost('2001:db8::1'), { kind: 'ip', address: '2001:db8::1' })
  t.same(parseHost('[2001:db8::1]'), { kind: 'ip', address: '2001:db8::1' })
  t.end()
})

for (const text of [
  '',
  'host:5000',
  'https://host',
  'a b',
  'host/path',
  '*',
  'a.*.b',
  '-a',
  '1.2.3',
  '300.1.1.1',
  'fe80::1%eth0',
  'a'.repeat(64),
  'a..b',
  'x\n',
  `${'a.'.repeat(127)}a`,
]) {
  t.test(`refuses ${JSON.stringify(text).slice(0, 40)} as a host`, (t) => {
    t.throws(() => parseHost(text), /not a host name or an IP address/)
    t.end()
  })
}

t.test('gives the bytes of every spelling of an address', (t) => {
  t.equal(addressBytes('192.0.2.1').toString('hex'), 'c0000201')
  t.equal(addressBytes('::1').toString('hex'), `${'00'.repeat(15)}01`)
  t.equal(addressBytes('::').toString('hex'), '00'.repeat(16))
  t.equal(addressBytes('2001:db8::1').toString('hex'), '20010db8000000000000000000000001')
  t.equal(addressBytes('1:2:3:4:5:6:7:8').toString('hex'), '00010002000300040005000600070008')
  t.equal(addressBytes('::ffff:192.0.2.1').toString('hex'), '00000000000000000000ffffc0000201')
  t.equal(addressBytes('2001:db8::').toString('hex'), '20010db8000000000000000000000000')
  t.end()
})
