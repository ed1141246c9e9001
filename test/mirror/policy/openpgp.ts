import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createMessage, generateKey, sign } from 'openpgp'
import t from 'tap'
import { openSigned, OpenPgpError, readKeyring } from '../../../src/mirror/policy/openpgp.ts'
import { makeReleaseKey } from '../../fixtures/release-key.ts'
import { makeDirectory } from '../../helpers/server.ts'

const LATER = (): Date => new Date(Date.now() + 60_000)

t.test('a message that a key of the ring signed is opened, and says which key it was', async (t) => {
  const [key, other] = [await makeReleaseKey('one'), await makeReleaseKey('two')]
  const ring = await readKeyring(`${other.publicKey}\n${key.publicKey}`)
  t.equal(ring.length, 2, 'a ring may hold several armored blocks')
  const opened = await openSigned(await key.signText('what was signed'), ring, LATER())
  t.equal(opened.content.toString(), 'what was signed')
  t.equal(opened.keyId, ring[1]?.getKeyID().toHex().toUpperCase())
  t.ok(opened.signedAt instanceof Date)
})

t.test('what another key signed, what was changed, and what is no signed message is not opened', async (t) => {
  const [key, other] = [await makeReleaseKey('one'), await makeReleaseKey('two')]
  const ring = await readKeyring(key.publicKey)
  const message = await key.signText('what was signed')
  await t.rejects(openSigned(await other.signText('what was signed'), ring, LATER()), OpenPgpError)
  const changed = Buffer.from(message)
  changed[changed.indexOf('what')] = 0x57
  await t.rejects(openSigned(changed, ring, LATER()), OpenPgpError)
  for (const bytes of [Buffer.from('text'), Buffer.alloc(0), message.subarray(0, 100), Buffer.alloc(40_000, 0xa3)])
    await t.rejects(openSigned(bytes, ring, LATER()), OpenPgpError)
  await t.rejects(openSigned(message, ring, new Date(0)), OpenPgpError, 'a signature from the future')
})

t.test('a key that had run out when it signed does not count, one that ran out since does', async (t) => {
  const day = 86_400_000
  const [made, signedAt] = [new Date(Date.now() - 30 * day), new Date(Date.now() - 29 * day)]
  const { publicKey, privateKey } = await generateKey({
    type: 'rsa',
    rsaBits: 2048,
    userIDs: [{ name: 'short' }],
    keyExpirationTime: (2 * day) / 1000,
    date: made,
    format: 'object',
  })
  const message = await createMessage({ binary: Buffer.from('x') })
  const signed = await sign({ message, signingKeys: privateKey, format: 'binary', date: signedAt })
  const ring = await readKeyring(publicKey.armor())
  t.equal((await openSigned(signed, ring, new Date())).content.toString(), 'x')
})

t.test('a keyring that is none is refused', async (t) => {
  await t.rejects(readKeyring('no key'), OpenPgpError)
  await t.rejects(readKeyring(Buffer.from([1, 2, 3])), OpenPgpError)
  await t.rejects(readKeyring('-----BEGIN PGP PUBLIC KEY BLOCK-----\nx'), OpenPgpError)
})

const withoutGpg = spawnSync('gpg', ['--version']).status === 0 ? false : 'gpg is not installed'
t.test('what gpg signed is opened with the keyring that gpg exports', { skip: withoutGpg }, async (t) => {
  const home = makeDirectory(t)
  const gpg = (...args: string[]): void =>
    void execFileSync(
      'gpg',
      ['--homedir', home, '--batch', '--passphrase', '', '--pinentry-mode', 'loopback', ...args],
      {
        stdio: 'ignore',
      },
    )
  gpg('--quick-generate-key', 'release test', 'rsa2048', 'sign', 'never')
  writeFileSync(join(home, 'text'), 'from gpg')
  gpg('--output', join(home, 'signed'), '--sign', join(home, 'text'))
  gpg('--output', join(home, 'ring'), '--export')
  gpg('--armor', '--output', join(home, 'ring.asc'), '--export')
  for (const ring of [readFileSync(join(home, 'ring')), readFileSync(join(home, 'ring.asc'))]) {
    const opened = await openSigned(readFileSync(join(home, 'signed')), await readKeyring(ring), LATER())
    t.equal(opened.content.toString(), 'from gpg')
  }
  t.teardown(() => spawnSync('gpgconf', ['--homedir', home, '--kill', 'all']))
})
