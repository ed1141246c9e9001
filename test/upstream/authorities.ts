import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readAuthorities } from '../../src/upstream/authorities.ts'
import { makeAuthority } from '../../src/tls/certificate.ts'

const make = (name: string) => makeAuthority({ name, clock: Date.now, random: randomBytes })

t.test('all certificates of a file are read, whatever stands between them', async (t) => {
  const [one, two] = [make('one').certificate, make('two').certificate]
  const path = join(t.testdir(), 'ca.crt')
  writeFileSync(path, `# ours\n${one}\n# theirs\n${two}`)
  t.same(
    readAuthorities(path).map((pem) => pem.trim()),
    [one.trim(), two.trim()],
  )
})

t.test('a file that is not there is a problem with its path and what to do', async (t) => {
  t.throws(() => readAuthorities('/nowhere/ca.crt'), {
    message: 'cannot read the certificate authority /nowhere/ca.crt: ENOENT',
    hint: 'check the path in the configuration',
  })
})

t.test('what is no certificate is a problem and is not quoted', async (t) => {
  const path = join(t.testdir(), 'ca.crt')
  const broken = '-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n'
  for (const text of ['', make('one').key, broken, `${make('one').certificate}${broken}`]) {
    writeFileSync(path, text)
    t.throws(() => readAuthorities(path), { message: `${path} holds no certificate of an authority in PEM` })
  }
})
