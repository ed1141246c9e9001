import t from 'tap'
import { parseListenAddress } from '../../src/config/address.ts'

const GOOD: [string, object][] = [
  [':5000', { port: 5000 }],
  [':0', { port: 0 }],
  ['0.0.0.0:5000', { host: '0.0.0.0', port: 5000 }],
  ['localhost:65535', { host: 'localhost', port: 65_535 }],
  ['[::1]:5000', { host: '::1', port: 5000 }],
  ['[fe80::1%eth0]:5000', { host: 'fe80::1%eth0', port: 5000 }],
]
for (const [text, address] of GOOD) {
  t.test(`${text} is an address`, async (t) => t.same(parseListenAddress(text), address))
}

for (const text of [
  '',
  '5000',
  ':',
  ':65536',
  ':http',
  '::1:5000',
  '[::1]',
  'a b:1',
  '[x]:1',
  'http://h:1',
  'h:1/',
  ':-1',
]) {
  t.test(`"${text}" is no address`, async (t) => t.equal(parseListenAddress(text), undefined))
}
