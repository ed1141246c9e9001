import { compareSync } from 'bcryptjs'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runTarn } from '../helpers/tarn.ts'

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8)

t.test('makes a whole home and says how to trust it', async (t) => {
  const directory = t.testdir()
  const home = join(directory, 'home')
  const args = [
    'init',
    home,
    '--host',
    'registry.example.com',
    '--host',
    '192.0.2.7',
    '--user',
    'david',
    '--password-stdin',
  ]
  const { code, stdout, stderr } = await runTarn(directory, args, 'secret\n')
  t.equal(code, 0, stderr)
  t.equal(stderr, '')
  t.notMatch(stdout, /secret\b(?!,)/)
  t.match(stdout, `${home}/certs/ca.crt /etc/containers/certs.d/registry.example.com:5000/ca.crt`)
  t.match(stdout, '/etc/docker/certs.d/registry.example.com:5000/ca.crt')
  t.match(stdout, 'update-ca-certificates')
  t.match(stdout, 'update-ca-trust')
  t.match(stdout, 'curl --cacert')
  t.match(stdout, 'Back up')

  t.equal(mode(join(home, 'auth/htpasswd')), '600')
  t.equal(mode(join(home, 'certs/ca.key')), '600')
  t.equal(mode(join(home, 'certs/server.key')), '600')
  t.equal(mode(join(home, 'certs/ca.crt')), '644')
  t.ok(statSync(join(home, 'data')).isDirectory())
  const [user, hash = ''] = readFileSync(join(home, 'auth/htpasswd'), 'utf8').trim().split(':')
  t.equal(user, 'david')
  t.match(hash, /^\$2[aby]\$10\$/)
  t.ok(compareSync('secret', hash))
  t.notOk(existsSync(join(home, 'auth/initial-password')))
  for (const check of [
    ['-verify_hostname', 'registry.example.com'],
    ['-verify_ip', '192.0.2.7'],
    ['-verify_ip', '127.0.0.1'],
  ]) {
    t.match(
      execFileSync(
        'openssl',
        ['verify', '-x509_strict', '-CAfile', join(home, 'certs/ca.crt'), ...check, join(home, 'certs/server.crt')],
        { encoding: 'utf8' },
      ),
      /: OK/,
    )
  }
})

t.test('a second run keeps every file and adds only what is missing', async (t) => {
  const home = t.testdir()
  const args = ['init', '.', '--host', 'a.example', '--user', 'david', '--password-stdin']
  t.equal((await runTarn(home, args, 'secret')).code, 0)
  const files = ['auth/htpasswd', 'certs/ca.crt', 'certs/ca.key', 'certs/server.crt', 'certs/server.key', 'config.yml']
  const before = files.map((file) => readFileSync(join(home, file), 'utf8'))
  const second = await runTarn(home, args, 'other')
  t.equal(second.code, 0, second.stderr)
  t.match(second.stdout, /nothing to do/)
  t.match(second.stderr, /htpasswd was kept/)
  t.same(
    files.map((file) => readFileSync(join(home, file), 'utf8')),
    before,
  )
  rmSync(join(home, 'certs/server.crt'))
  const third = await runTarn(home, ['--json', ...args], 'other')
  t.equal(third.code, 0, third.stderr)
  t.same((JSON.parse(third.stdout) as { created: string[] }).created, [join(home, 'certs/server.crt')])
  t.equal(readFileSync(join(home, 'certs/server.key'), 'utf8'), before[4])
  t.equal(readFileSync(join(home, 'certs/ca.crt'), 'utf8'), before[1])
})

t.test('without a terminal a generated password goes into a file of mode 0600 and nowhere else', async (t) => {
  const home = t.testdir()
  const { code, stdout, stderr } = await runTarn(home, ['init', '--host', 'a.example', '--user', 'admin'])
  t.equal(code, 0, stderr)
  const path = join(home, 'auth/initial-password')
  t.equal(mode(path), '600')
  const password = readFileSync(path, 'utf8').trim()
  t.match(password, /^[a-z2-9]{24}$/)
  t.notOk((stdout + stderr).includes(password))
  t.match(stdout, path)
  t.ok(compareSync(password, readFileSync(join(home, 'auth/htpasswd'), 'utf8').trim().split(':')[1] ?? ''))
})

t.test('the configuration and the data directory can lie elsewhere', async (t) => {
  const directory = t.testdir()
  const args = [
    'init',
    'home',
    '--host',
    'a.example',
    '--user',
    'u',
    '--config',
    'etc/tarn.yml',
    '--data',
    'big/data',
    '--port',
    '5443',
  ]
  const { code, stderr } = await runTarn(directory, args)
  t.equal(code, 0, stderr)
  const text = readFileSync(join(directory, 'etc/tarn.yml'), 'utf8')
  t.match(text, `rootdirectory: ${join(directory, 'big/data')}`)
  t.match(text, `path: ${join(directory, 'home/auth/htpasswd')}`)
  t.match(text, ':5443')
  t.ok(existsSync(join(directory, 'big/data')))
  t.notOk(existsSync(join(directory, 'home/config.yml')))
})

for (const [what, args, input] of [
  ['no host', ['init', '--user', 'a', '--password-stdin'], 'secret'],
  ['no user', ['init', '--host', 'a.example', '--password-stdin'], 'secret'],
  ['a host with a port', ['init', '--host', 'a.example:5000', '--user', 'a', '--password-stdin'], 'secret'],
  ['a user with a colon', ['init', '--host', 'a.example', '--user', 'a:b', '--password-stdin'], 'secret'],
  ['no password on stdin', ['init', '--host', 'a.example', '--user', 'a', '--password-stdin'], ''],
  ['a password of 73 bytes', ['init', '--host', 'a.example', '--user', 'a', '--password-stdin'], 'x'.repeat(73)],
  ['a port that is none', ['init', '--host', 'a.example', '--user', 'a', '--port', '70000'], ''],
] as const) {
  t.test(`with ${what} it makes nothing and ends with 2 and a hint`, async (t) => {
    const home = join(t.testdir({ home: {} }), 'home')
    const { code, stdout, stderr } = await runTarn(home, args, input)
    t.equal(code, 2)
    t.equal(stdout, '')
    t.match(stderr, /^error: .*\nhint: .*\n$/)
    t.same(execFileSync('ls', ['-A', home], { encoding: 'utf8' }), '')
  })
}

t.test('a certificate whose key is gone is not replaced', async (t) => {
  const home = t.testdir()
  const args = ['init', '.', '--host', 'a.example', '--user', 'david', '--password-stdin']
  await runTarn(home, args, 'secret')
  rmSync(join(home, 'certs/server.key'))
  const before = readFileSync(join(home, 'certs/server.crt'), 'utf8')
  const { code, stderr } = await runTarn(home, args, 'secret')
  t.equal(code, 1)
  t.match(stderr, /server.key is not\nhint: restore/)
  t.equal(readFileSync(join(home, 'certs/server.crt'), 'utf8'), before)
})

t.test('a certificate of the owner’s own is kept', async (t) => {
  const home = t.testdir({ certs: { 'server.crt': 'mine', 'server.key': 'mine too' } })
  const { code, stderr } = await runTarn(
    home,
    ['init', '--host', 'a.example', '--user', 'david', '--password-stdin'],
    'x',
  )
  t.equal(code, 0, stderr)
  t.equal(readFileSync(join(home, 'certs/server.crt'), 'utf8'), 'mine')
  t.notOk(existsSync(join(home, 'certs/ca.crt')))
})
