import { execFileSync, spawnSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readBundleKey } from '../../src/bundle/bundle-key.ts'
import { isOpensshKey, readOpensshKey } from '../../src/bundle/openssh-key.ts'
import { NAMESPACE, signIndex, verifySignature } from '../../src/bundle/signature.ts'
import { describePublicKey, formatPublicKey } from '../../src/bundle/ssh-key.ts'

const INDEX = Buffer.from('{"format":"tarn-bundle/1"}\n')
const hasSsh = spawnSync('ssh-keygen', ['-?']).error === undefined
const TYPES: Readonly<Record<string, readonly string[]>> = {
  ed25519: ['-t', 'ed25519'],
  ecdsa: ['-t', 'ecdsa', '-b', '256'],
  rsa: ['-t', 'rsa', '-b', '2048'],
  'rsa of 3072 bits': ['-t', 'rsa', '-b', '3072'],
}

function makeKey(file: string, type: readonly string[], passphrase = ''): string {
  execFileSync('ssh-keygen', ['-q', ...type, '-C', 'a comment', '-N', passphrase, '-f', file])
  return readFileSync(file, 'latin1')
}

for (const [kind, type] of Object.entries(TYPES)) {
  t.test(`a key of ssh-keygen signs: ${kind}`, { skip: !hasSsh }, async (t) => {
    const directory = t.testdir()
    const file = (name: string): string => join(directory, name)
    // Numbers of any length come by themselves only now and then.
    for (let round = 0; round < (kind === 'ed25519' || kind === 'ecdsa' ? 20 : 2); round += 1) {
      const path = file(`key${round}`)
      t.ok(isOpensshKey(makeKey(path, type)))
      const key = readBundleKey(path)
      const line = formatPublicKey(describePublicKey(createPublicKey(key)))
      const shown = readFileSync(`${path}.pub`, 'utf8')
      t.ok(shown.startsWith(`${line} `), 'it is the key of the .pub file')
      writeFileSync(file('allowed'), `tarn namespaces="${NAMESPACE}" ${shown}`)
      writeFileSync(file('sig'), signIndex(INDEX, key))
      const asked = ['-Y', 'verify', '-f', file('allowed'), '-I', 'tarn', '-n', NAMESPACE, '-s', file('sig')]
      t.match(execFileSync('ssh-keygen', asked, { input: INDEX }).toString(), /^Good "tarn-bundle" signature/)
      writeFileSync(file(`index${round}`), INDEX)
      execFileSync('ssh-keygen', ['-Y', 'sign', '-f', path, '-n', NAMESPACE, file(`index${round}`)], {
        stdio: 'ignore',
      })
      const theirs = verifySignature(INDEX, readFileSync(file(`index${round}.sig`)))
      t.equal(formatPublicKey(theirs), line, 'what ssh-keygen signs with it is by the same key')
    }
  })
}

t.test('a key with a passphrase is refused with the way out of it', { skip: !hasSsh }, async (t) => {
  const path = join(t.testdir(), 'key')
  makeKey(path, ['-t', 'ed25519'], 'secret words')
  t.throws(() => readBundleKey(path), {
    name: 'Problem',
    message: `the key ${path} cannot be used: it has a passphrase`,
    hint: /ssh-keygen -p -N '' -f COPY/,
  })
  execFileSync('ssh-keygen', ['-q', '-p', '-P', 'secret words', '-N', '', '-f', path])
  t.ok(readBundleKey(path), 'and that is one')
})

t.test(
  'keys of other kinds and damaged ones are refused, and nothing of them is told',
  { skip: !hasSsh },
  async (t) => {
    const directory = t.testdir()
    const other = join(directory, 'p384')
    makeKey(other, ['-t', 'ecdsa', '-b', '384'])
    t.throws(() => readBundleKey(other), { message: /ecdsa-sha2-nistp384/, hint: /tarn bundle keygen/ })
    const text = makeKey(join(directory, 'key'), ['-t', 'ed25519'])
    const [begin = '', ...rest] = text.trim().split('\n')
    const bytes = Buffer.from(rest.slice(0, -1).join(''), 'base64')
    const wrap = (changed: Uint8Array): string =>
      `${begin}\n${Buffer.from(changed).toString('base64')}\n${rest.at(-1)}\n`
    t.ok(readOpensshKey(wrap(bytes)), 'the wrapping of the test is right')
    let taken = 0
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 1
      try {
        readOpensshKey(wrap(changed))
        // Of what is in it, the comment and the second copy of the public key say nothing.
        taken += 1
      } catch (error) {
        t.match(error, { name: 'Problem' }, `byte ${at}`)
      }
    }
    t.ok(taken < 80, `${taken} of ${bytes.length} do not matter`)
    for (let end = 0; end < bytes.length; end += 1)
      t.throws(() => readOpensshKey(wrap(bytes.subarray(0, end))), { name: 'Problem' })
    t.throws(() => readOpensshKey(text.slice(0, -20)), { message: /cut short/ })
  },
)
