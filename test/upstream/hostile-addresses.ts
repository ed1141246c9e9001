// R28, R32: where an upstream may make this process connect to. The address is judged after the resolver, on every
// connection; the traps count connections.
import t from 'tap'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseReference } from '../../src/oci/reference.ts'
import { Allowed } from '../../src/upstream/allowed.ts'
import { catchUpstream, openUpstream, resolveFrom, send, startFake } from '../helpers/upstream.ts'

const NAME = parseRepositoryName('team/app')
const TAG = parseReference('latest')
const STRANGER = new URL('https://stranger.test')

const FORBIDDEN: Readonly<Record<string, string>> = {
  'this machine': '127.0.0.1',
  'this machine by another number': '127.255.0.9',
  'this machine over IPv6': '::1',
  'the unspecified address': '0.0.0.0',
  'the network of the unspecified address': '0.1.2.3',
  'the unspecified address of IPv6': '::',
  'a private network of class A': '10.0.0.1',
  'a private network of class B': '172.31.255.255',
  'a private network of class C': '192.168.1.1',
  'a provider network': '100.64.0.1',
  'a unique local address': 'fd12:3456::1',
  'the wire': '169.254.1.1',
  'the metadata service': '169.254.169.254',
  'the metadata service of AWS over IPv6': 'fd00:ec2::254',
  'the metadata service of Alibaba': '100.100.100.200',
  'the wire server of Azure': '168.63.129.16',
  'the wire over IPv6': 'fe80::1',
  'the wire over IPv6 with an interface': 'fe80::1%eth0',
  'a site of old': 'fec0::1',
  multicast: '224.0.0.1',
  'multicast over IPv6': 'ff02::1',
  broadcast: '255.255.255.255',
  'a reserved address': '240.0.0.1',
  'a protocol assignment': '192.0.0.192',
  'an address for documents': '203.0.113.7',
  'an address for documents over IPv6': '2001:db8::1',
  'an address for benchmarks': '198.18.0.1',
  'the discard prefix': '100::1',
  'this machine mapped into IPv6': '::ffff:127.0.0.1',
  'this machine mapped in hexadecimal': '::ffff:7f00:1',
  'the metadata service mapped into IPv6': '::ffff:a9fe:a9fe',
  'this machine in a compatible address': '::127.0.0.1',
  'the metadata service behind NAT64': '64:ff9b::a9fe:a9fe',
  'this machine behind NAT64': '64:ff9b::7f00:1',
  'a local NAT64 prefix': '64:ff9b:1::7f00:1',
  'this machine in 6to4': '2002:7f00:1::1',
  'this machine in Teredo': '2001:0:7f00:1::1',
  'this machine in SIIT': '::ffff:0:127.0.0.1',
  'a prefix that nobody has': '4000::1',
  'no address at all': 'localhost',
}

for (const [what, address] of Object.entries(FORBIDDEN)) {
  t.test(`R28: a stranger at ${what} (${address}) is not connected to`, async (t) => {
    const allowed = new Allowed({ url: new URL('https://registry.test') })
    t.notOk(allowed.mayConnect(STRANGER, address))
  })
}

for (const address of ['1.1.1.1', '172.32.0.1', '100.128.0.1', '169.253.0.1', '2606:4700::1111', '2a00:1450::1']) {
  t.test(`R28: a stranger at the public address ${address} is connected to`, async (t) => {
    const allowed = new Allowed({ url: new URL('https://registry.test') })
    t.ok(allowed.mayConnect(STRANGER, address))
    t.notOk(allowed.mayConnect(new URL('http://stranger.test'), address), 'never without TLS')
  })
}

t.test('R32: a private stranger is connected to once the upstream itself was seen at a private address', async (t) => {
  const allowed = new Allowed({ url: new URL('https://registry.corp') })
  t.notOk(allowed.mayConnect(STRANGER, '10.0.0.9'))
  t.ok(allowed.mayConnect(new URL('https://registry.corp'), '10.0.0.1'))
  t.ok(allowed.mayConnect(STRANGER, '10.0.0.9'))
  t.notOk(allowed.mayConnect(STRANGER, '127.0.0.1'))
  t.notOk(allowed.mayConnect(STRANGER, '169.254.169.254'))
})

t.test('R32: a listed origin at a private address opens nothing for strangers', async (t) => {
  const allowed = new Allowed({ url: new URL('https://registry.test'), origins: [new URL('https://auth.corp')] })
  t.ok(allowed.mayConnect(new URL('https://auth.corp'), '10.0.0.1'))
  t.notOk(allowed.mayConnect(STRANGER, '10.0.0.9'))
})

t.test('R32: an upstream that is configured by a private address may lead to private addresses only', async (t) => {
  const allowed = new Allowed({ url: new URL('https://10.0.0.1:5000') })
  t.ok(allowed.mayConnect(STRANGER, '192.168.0.1'))
  t.notOk(allowed.mayConnect(STRANGER, '127.0.0.1'))
})

t.test('R28: a configured name may lie at a private address, and behind NAT64 at a public one', async (t) => {
  const url = new URL('https://registry.corp')
  const allowed = new Allowed({ url })
  t.ok(allowed.mayConnect(url, '192.168.3.4'))
  t.ok(allowed.mayConnect(url, '64:ff9b::101:101'))
  t.notOk(allowed.mayConnect(url, '64:ff9b::a9fe:a9fe'))
})

t.test('R28: a configured name without TLS never means this machine', async (t) => {
  const url = new URL('http://registry.corp')
  t.notOk(new Allowed({ url, insecure: true }).mayConnect(url, '127.0.0.1'))
  const unproven = new URL('https://registry.corp')
  t.notOk(new Allowed({ url: unproven, insecure: true }).mayConnect(unproven, '127.0.0.1'))
  const localhost = new URL('http://localhost:5000')
  t.ok(new Allowed({ url: localhost, insecure: true }).mayConnect(localhost, '127.0.0.1'))
})

for (const address of ['169.254.169.254', '0.0.0.0', '224.0.0.1', '::', 'fe80::1', '::ffff:127.0.0.1']) {
  t.test(`R28: a configured DNS name that resolves to ${address} is refused`, async (t) => {
    const client = openUpstream(t, ['https://registry.test:1'], {
      resolve: resolveFrom({ 'registry.test': [[address]] }),
    })
    const error = await catchUpstream(client.getManifest(NAME, TAG))
    t.equal(error.kind, 'refused')
    t.match(error.message, /registry\.test:1 lies at an address/)
  })
}

t.test('R28: of several addresses of a name only the good ones are connected to', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200, {}, '{}'), { tls: true })
  const resolve = resolveFrom({ 'registry.test': [['169.254.169.254', '127.0.0.1', '::ffff:7f00:1']] })
  const client = openUpstream(t, [fake.named('registry.test')], { resolve })
  t.equal((await client.getManifest(NAME, TAG)).bytes.toString(), '{}')
})

t.test('R28: a name that answers differently the second time is judged the second time', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200, { connection: 'close' }, '{}'), { tls: true })
  const resolve = resolveFrom({ 'registry.test': [['127.0.0.1'], ['169.254.169.254']] })
  const client = openUpstream(t, [fake.named('registry.test')], { resolve })
  await client.getManifest(NAME, TAG)
  t.equal((await catchUpstream(client.getManifest(NAME, TAG))).kind, 'refused')
})

t.test('R28: a configured name at this machine works when its certificate proves it', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200, {}, '{}'), { tls: true })
  const resolve = resolveFrom({ 'registry.test': [['127.0.0.1']], 'other.test': [['127.0.0.1']] })
  await openUpstream(t, [fake.named('registry.test')], { resolve }).getManifest(NAME, TAG)
  const error = await catchUpstream(openUpstream(t, [fake.named('other.test')], { resolve }).getManifest(NAME, TAG))
  t.equal(error.kind, 'unreachable')
  t.equal(fake.seen.length, 1, 'no request came where the certificate is another name')
})

t.test('R28: an upstream configured by an IPv6 address works', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200, {}, '{}'), { host: '::1' })
  t.equal((await openUpstream(t, [fake.origin]).getManifest(NAME, TAG)).bytes.toString(), '{}')
})

// One address has many spellings. Each leads to the trap's port, if it leads anywhere.
const SPELLINGS: Readonly<Record<string, string>> = {
  plain: '127.0.0.1',
  short: '127.1',
  hexadecimal: '0x7f.1',
  octal: '0177.0.0.1',
  'one number': '2130706433',
  'full-width digits': '１２７．０．０．１',
  'a full stop of Chinese': '127。0。0。1',
  'percent-encoded': '%31%32%37.0.0.1',
  'with a full stop behind': '127.0.0.1.',
  unspecified: '0.0.0.0',
  'unspecified, short': '0',
  'IPv6 loopback': '[::1]',
  'IPv6 unspecified': '[::]',
  'IPv6 mapped': '[::ffff:127.0.0.1]',
  'IPv6 mapped in hexadecimal': '[::ffff:7f00:1]',
  localhost: 'localhost',
  'localhost in capitals': 'LOCALHOST',
  'localhost with a full stop behind': 'localhost.',
  'below localhost': 'registry.localhost',
  'a name for this machine': 'evil.test',
}

for (const [what, host] of Object.entries(SPELLINGS)) {
  t.test(`R15, R28: a redirect to this machine spelled as ${what} opens no connection`, async (t) => {
    const trap = await startFake(t, (_, response) => send(response, 200, {}, '{}'), { tls: true })
    const location = `https://${host}:${trap.port}/x`
    const fake = await startFake(
      t,
      (_, response) =>
        void response
          .writeHead(302, {
            location: encodeURI(location).replaceAll('%25', '%').replaceAll('%5B', '[').replaceAll('%5D', ']'),
          })
          .end(),
      {
        tls: true,
      },
    )
    const here = [['127.0.0.1']]
    const resolve = resolveFrom({
      'registry.test': here,
      'evil.test': here,
      localhost: here,
      'localhost.': here,
      'registry.localhost': here,
    })
    const error = await catchUpstream(
      openUpstream(t, [fake.named('registry.test')], { resolve }).getManifest(NAME, TAG),
    )
    t.equal(error.kind, 'refused')
    t.equal(fake.seen.length, 1)
    t.equal(trap.connections, 0)
  })
}
