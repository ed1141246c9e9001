import { execFileSync, spawnSync } from 'node:child_process'
import type { KeyObject } from 'node:crypto'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseAllowedSigners, requireAllowed } from '../../src/bundle/allowed-signers.ts'
import { NAMESPACE, signIndex, verifySignature } from '../../src/bundle/signature.ts'
import { describePublicKey, fingerprint, formatPublicKey } from '../../src/bundle/ssh-key.ts'

const INDEX = Buffer.from('{"format":"tarn-bundle/1"}\n')
const KEYS: Readonly<Record<string, () => KeyObject>> = {
  ed25519: () => generateKeyPairSync('ed25519').privateKey,
  ecdsa: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  rsa: () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
}
const hasSsh = spawnSync('ssh-keygen', ['-?']).error === undefined

const publicLine = (key: KeyObject): string => formatPublicKey(describePublicKey(createPublicKey(key)))

for (const [kind, makeKey] of Object.entries(KEYS)) {
  t.test(`a signature by ${kind} is right, and wrong after any change`, async (t) => {
    const key = makeKey()
    const signature = signIndex(INDEX, key)
    const signer = verifySignature(INDEX, Buffer.from(signature))
    t.equal(formatPublicKey(signer), publicLine(key))
    const changed = Buffer.from(INDEX)
    changed[3] = 0x41
    t.throws(() => verifySignature(changed, Buffer.from(signature)), { message: /not that of the index/, exitCode: 4 })
    const lines = signature.split('\n')
    for (let at = 1; at < lines.length - 2; at += 1) {
      const line = lines[at] ?? ''
      const other = lines.with(at, `${line.startsWith('Z') ? 'Y' : 'Z'}${line.slice(1)}`).join('\n')
      t.throws(() => verifySignature(INDEX, Buffer.from(other)), { name: 'Problem', exitCode: 4 })
    }
  })

  t.test(`ssh-keygen takes a signature by ${kind}, and its own are taken`, { skip: !hasSsh }, async (t) => {
    const directory = t.testdir()
    const key = makeKey()
    const file = (name: string): string => join(directory, name)
    writeFileSync(file('allowed'), `tarn namespaces="${NAMESPACE}" ${publicLine(key)}\n`)
    writeFileSync(file('sig'), signIndex(INDEX, key))
    const asked = ['-Y', 'verify', '-f', file('allowed'), '-I', 'tarn', '-n', NAMESPACE, '-s', file('sig')]
    t.match(execFileSync('ssh-keygen', asked, { input: INDEX }).toString(), /^Good "tarn-bundle" signature/)

    const type = kind === 'rsa' ? ['-t', 'rsa', '-b', '2048'] : ['-t', kind]
    execFileSync('ssh-keygen', ['-q', ...type, '-N', '', '-f', file('key')])
    writeFileSync(file('index'), INDEX)
    execFileSync('ssh-keygen', ['-Y', 'sign', '-f', file('key'), '-n', NAMESPACE, file('index')], { stdio: 'ignore' })
    const theirs = execFileSync('cat', [file('index.sig')])
    const shown = execFileSync('ssh-keygen', ['-lf', file('key.pub')]).toString()
    t.ok(shown.includes(fingerprint(verifySignature(INDEX, theirs))))
  })
}

t.test('a signature for another purpose is refused', { skip: !hasSsh }, async (t) => {
  const directory = t.testdir()
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, 'key')])
  writeFileSync(join(directory, 'index'), INDEX)
  execFileSync('ssh-keygen', ['-Y', 'sign', '-f', join(directory, 'key'), '-n', 'git', join(directory, 'index')], {
    stdio: 'ignore',
  })
  const signature = execFileSync('cat', [join(directory, 'index.sig')])
  t.throws(() => verifySignature(INDEX, signature), { message: /is for "git", not for tarn-bundle/ })
})

t.test('what is no signature is refused', async (t) => {
  const right = signIndex(INDEX, generateKeyPairSync('ed25519').privateKey)
  const body = right.split('\n').slice(1, -2).join('')
  const wrap = (base64: string): string => `-----BEGIN SSH SIGNATURE-----\n${base64}\n-----END SSH SIGNATURE-----\n`
  t.ok(verifySignature(INDEX, Buffer.from(wrap(body))), 'the wrapping of the test is right')
  const bytes = Buffer.from(body, 'base64')
  const version = Buffer.from(bytes)
  version[9] = 2
  for (const text of [
    '',
    'x'.repeat(100_000),
    wrap(''),
    wrap('!!!!'),
    wrap(bytes.subarray(0, -1).toString('base64')),
    wrap(Buffer.concat([bytes, Buffer.from('x')]).toString('base64')),
    wrap(version.toString('base64')),
    wrap(Buffer.from('SSHSIG').toString('base64')),
    right.replace('BEGIN SSH', 'BEGIN PGP'),
  ]) {
    t.throws(() => verifySignature(INDEX, Buffer.from(text)), { name: 'Problem', exitCode: 4 })
  }
})

t.test('keys that sign no bundle are refused', async (t) => {
  t.throws(() => signIndex(INDEX, generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey), {
    name: 'Problem',
    exitCode: 2,
  })
  t.throws(() => signIndex(INDEX, generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey), /1024 bits/)
})

t.test('allowed_signers says who may sign, for what and until when', async (t) => {
  const [key, other] = [generateKeyPairSync('ed25519').privateKey, generateKeyPairSync('ed25519').privateKey]
  const signer = describePublicKey(createPublicKey(key))
  const now = Date.parse('2026-06-01T12:00:00Z')
  const check = (...lines: string[]) => requireAllowed(parseAllowedSigners(lines.join('\n'), 'file'), signer, now)
  const line = publicLine(key)

  t.equal(check('# who', '', `tarn,*@example.org ${line} a comment`).principals, 'tarn,*@example.org')
  t.ok(check(`tarn namespaces="git,tarn-*" ${line}`))
  t.ok(check(`tarn valid-after="20260601120000Z",valid-before="20260602Z" ${line}`))
  t.throws(() => check(`tarn ${publicLine(other)}`), { message: /no line of allowed_signers names it/, exitCode: 4 })
  t.throws(() => check(`tarn namespaces="git" ${line}`), /not for now, or not for bundles/)
  t.throws(() => check(`tarn valid-before="20260601Z" ${line}`), /not for now/)
  t.throws(() => check(`tarn valid-after="20260602Z" ${line}`), /not for now/)
  t.ok(check(`old valid-before="20250101Z" ${line}`, `new ${line}`), 'a later line counts')
  for (const wrong of [
    `tarn cert-authority ${line}`,
    `tarn until="tomorrow" ${line}`,
    `tarn valid-before="soon" ${line}`,
    'tarn',
    'tarn ssh-ed25519',
    'tarn ssh-ed25519 !!!',
  ]) {
    t.throws(() => check(line.replace(/^/, 'x '), wrong), { message: /^file line 2: / })
  }
})
