import { randomBytes } from 'node:crypto'
import { compareSync } from 'bcryptjs'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { runProgram } from '../../src/cli/program.ts'
import { runTarn } from '../helpers/tarn.ts'

/** Runs `tarn ARGS` in this process, in `directory`: what only a process has is tested in program.ts and serve.ts. */
async function run(directory: string, args: readonly string[], input = '', isTTY = false) {
  process.chdir(directory)
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  stdin.end(input)
  const outlet = Object.assign(stdout, { isTTY })
  const code = await runProgram(args, { stdin, stdout: outlet, stderr, clock: Date.now, random: randomBytes })
  return { code, stdout: String(stdout.read() ?? ''), stderr: String(stderr.read() ?? '') }
}

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
  t.equal((await run(home, args, 'secret')).code, 0)
  const files = ['auth/htpasswd', 'certs/ca.crt', 'certs/ca.key', 'certs/server.crt', 'certs/server.key', 'config.yml']
  const before = files.map((file) => readFileSync(join(home, file), 'utf8'))
  const second = await run(home, args, 'other')
  t.equal(second.code, 0, second.stderr)
  t.match(second.stdout, /nothing to do/)
  t.match(second.stderr, /htpasswd was kept/)
  t.same(
    files.map((file) => readFileSync(join(home, file), 'utf8')),
    before,
  )
  rmSync(join(home, 'certs/server.crt'))
  const third = await run(home, ['--json', ...args], 'other')
  t.equal(third.code, 0, third.stderr)
  t.same((JSON.parse(third.stdout) as { created: string[] }).created, [join(home, 'certs/server.crt')])
  t.equal(readFileSync(join(home, 'certs/server.key'), 'utf8'), before[4])
  t.equal(readFileSync(join(home, 'certs/ca.crt'), 'utf8'), before[1])
})

t.test('without a terminal a generated password goes into a file of mode 0600 and nowhere else', async (t) => {
  const home = t.testdir()
  const { code, stdout, stderr } = await run(home, ['init', '--host', 'a.example', '--user', 'admin'])
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
  const { code, stderr } = await run(directory, args)
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
    const { code, stdout, stderr } = await run(home, args, input)
    t.equal(code, 2)
    t.equal(stdout, '')
    t.match(stderr, /^error: .*\nhint: .*\n$/)
    t.same(execFileSync('ls', ['-A', home], { encoding: 'utf8' }), '')
  })
}

t.test('a certificate whose key is gone is not replaced', async (t) => {
  const home = t.testdir()
  const args = ['init', '.', '--host', 'a.example', '--user', 'david', '--password-stdin']
  await run(home, args, 'secret')
  rmSync(join(home, 'certs/server.key'))
  const before = readFileSync(join(home, 'certs/server.crt'), 'utf8')
  const { code, stderr } = await run(home, args, 'secret')
  t.equal(code, 1)
  t.match(stderr, /server.key is not\nhint: restore/)
  t.equal(readFileSync(join(home, 'certs/server.crt'), 'utf8'), before)
})

t.test('a certificate of the owner’s own is kept', async (t) => {
  const home = t.testdir({ certs: { 'server.crt': 'mine', 'server.key': 'mine too' } })
  const { code, stderr } = await run(home, ['init', '--host', 'a.example', '--user', 'david', '--password-stdin'], 'x')
  t.equal(code, 0, stderr)
  t.equal(readFileSync(join(home, 'certs/server.crt'), 'utf8'), 'mine')
  t.notOk(existsSync(join(home, 'certs/ca.crt')))
})

t.test('a terminal has the password once, and before anything that fails later', async (t) => {
  const args = ['init', '--host', 'a.example', '--user', 'admin']
  const whole = t.testdir({ whole: {}, failing: { certs: { 'server.crt': 'without its key' } }, json: {} })
  const home = join(whole, 'whole')
  const { stdout } = await run(home, args, '', true)
  const shown = [...stdout.matchAll(/^user admin, password (\S+) /gm)]
  t.equal(shown.length, 1)
  t.ok(compareSync(shown[0]?.[1] ?? '', readFileSync(join(home, 'auth/htpasswd'), 'utf8').trim().split(':')[1] ?? ''))
  t.notOk(existsSync(join(home, 'auth/initial-password')))

  const failing = join(whole, 'failing')
  const failed = await run(failing, args, '', true)
  t.equal(failed.code, 1)
  t.match(failed.stdout, /^user admin, password \S+ .*\n$/)
  t.ok(existsSync(join(failing, 'auth/htpasswd')))

  // One JSON document is all that --json may print, so the password goes into the file.
  const json = await run(join(whole, 'json'), ['--json', ...args], '', true)
  t.match(JSON.parse(json.stdout), { initialPassword: join(whole, 'json/auth/initial-password') })
  t.ok(existsSync(join(whole, 'json/auth/initial-password')))
})

t.test('on a home that is there, it says what of the arguments had no effect and what does it', async (t) => {
  const home = t.testdir()
  const config = join(home, 'config.yml')
  const first = [
    'init',
    '--host',
    'a.example',
    '--host',
    '192.0.2.7',
    '--user',
    'david',
    '--password-stdin',
    '--port',
    '5443',
  ]
  t.equal((await run(home, first, 'secret')).stderr, '')
  const same = await run(home, ['init', '--host', '192.0.2.7', '--user', 'david'])
  t.equal(same.stderr, '', 'a port that was not given is not missed')
  t.match(same.stdout, 'certs.d/192.0.2.7:5443/ca.crt')

  const second = await run(home, [
    'init',
    '--host',
    'b.example',
    '--host',
    '2001:db8::1',
    '--user',
    'eve',
    '--port',
    '5000',
    '--data',
    'images',
  ])
  t.equal(second.code, 0)
  const renew = `tarn cert renew --config ${config} --host a.example --host 192.0.2.7 --host b.example --host 2001:db8::1`
  t.match(
    second.stderr,
    `b.example, 2001:db8::1 is not in ${join(home, 'certs/server.crt')}, which was kept; add it with: ${renew}\n`,
  )
  t.match(
    second.stderr,
    `there is no user eve in ${join(home, 'auth/htpasswd')}, which was kept; add one with: tarn user add eve --config ${config}\n`,
  )
  t.match(second.stderr, `--port had no effect: ${config} was kept and says http.addr: :5443`)
  t.match(second.stderr, `--data had no effect: ${config} was kept and says rootdirectory: ${join(home, 'data')}`)
  t.match(second.stdout, 'certs.d/a.example:5443/ca.crt')
  t.match(second.stdout, '-u david https://a.example:5443/')
  t.notMatch(second.stdout, 'b.example')

  t.equal((await run(home, renew.split(' ').slice(1))).code, 0)
  const third = await run(home, [
    'init',
    '--host',
    'b.example',
    '--host',
    '2001:db8::1',
    '--host',
    'a.example',
    '--user',
    'david',
  ])
  t.equal(third.stderr, '', 'the command that it named did it')
  t.match((await run(home, ['cert', 'show'])).stdout, 'b.example, 2001:db8::1, localhost, 127.0.0.1, ::1\n')
})

t.test('nobody is told to trust an authority that is not there', async (t) => {
  const home = t.testdir()
  const args = ['init', '--host', 'a.example', '--user', 'david', '--password-stdin']
  await run(home, args, 'secret')
  for (const name of ['ca.crt', 'ca.key']) rmSync(join(home, 'certs', name))
  const { stdout, stderr } = await run(home, ['init', '--host', 'b.example', '--user', 'david'])
  t.notMatch(stdout, 'Clients trust it')
  t.match(stderr, 'b.example is not in')
  t.match(stderr, 'have it made anew where it was made')
  writeFileSync(join(home, 'config.yml'), 'version: 0.1\nstorage: {s3: {}}\n')
  const broken = await run(home, args, 'secret')
  t.equal(broken.code, 0)
  t.match(broken.stderr, /config\.yml was kept and cannot be used: .*storage\.s3/)
})
