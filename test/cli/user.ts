import { randomBytes } from 'node:crypto'
import { compareSync } from 'bcryptjs'
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { runProgram } from '../../src/cli/program.ts'
import { runTarn } from '../helpers/tarn.ts'

const HASH = '$2y$05$LTYmKvxyYqEkzW2y4BeF1OrqKjfw4Epk.brrAKOYiGkW720.J.4QS'

/** Runs `tarn ARGS` in this process, in `directory`: what only a process has is tested in program.ts and serve.ts. */
async function run(directory: string, args: readonly string[], input = '', isTTY = false) {
  process.chdir(directory)
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  stdin.end(input)
  const outlet = Object.assign(stdout, { isTTY })
  const code = await runProgram(args, { stdin, stdout: outlet, stderr, clock: Date.now, random: randomBytes })
  return { code, stdout: String(stdout.read() ?? ''), stderr: String(stderr.read() ?? '') }
}

function makeHome(t: Test, htpasswd?: string) {
  const home = t.testdir({ auth: {} })
  const path = join(home, 'auth/htpasswd')
  writeFileSync(
    join(home, 'config.yml'),
    `version: 0.1\nstorage: {filesystem: {rootdirectory: ${home}/data}}\nauth: {htpasswd: {realm: Tarn, path: ${path}}}\nhttp: {addr: ":5000"}\n`,
  )
  if (htpasswd !== undefined) writeFileSync(path, htpasswd, { mode: 0o640 })
  return { home, path }
}

t.test('adds a user and leaves comments, other lines and the mode as they were', async (t) => {
  const { home, path } = makeHome(t, `# team\ndavid:${HASH}\n`)
  const { code, stdout, stderr } = await run(home, ['user', 'add', 'eve', '--password-stdin'], 'secret\n')
  t.equal(code, 0, stderr)
  t.equal(stdout, 'added eve\n')
  const text = readFileSync(path, 'utf8')
  t.ok(text.startsWith(`# team\ndavid:${HASH}\neve:$2`))
  t.ok(compareSync('secret', text.trim().split('eve:')[1] ?? ''))
  t.equal(statSync(path).mode & 0o777, 0o640)
})

t.test('makes the file, readable by its owner only, when there is none', async (t) => {
  const { home, path } = makeHome(t)
  t.equal((await run(home, ['user', 'add', 'eve', '--password-stdin'], 'secret')).code, 0)
  t.equal(statSync(path).mode & 0o777, 0o600)
})

t.test('gives a user that is there a new password', async (t) => {
  const { home, path } = makeHome(t, `david:${HASH}\n`)
  const { stdout } = await run(home, ['user', 'add', 'david', '--password-stdin'], 'better')
  t.equal(stdout, 'david has a new password\n')
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  t.equal(lines.length, 1)
  t.ok(compareSync('better', lines[0]?.slice(6) ?? ''))
})

t.test('removes a user, and says when there is no such user', async (t) => {
  const { home, path } = makeHome(t, `# team\ndavid:${HASH}\neve:${HASH}\n`)
  t.equal((await run(home, ['user', 'remove', 'david'])).stdout, 'removed david\n')
  t.equal(readFileSync(path, 'utf8'), `# team\neve:${HASH}\n`)
  const again = await run(home, ['user', 'remove', 'david'])
  t.equal(again.code, 1)
  t.match(again.stderr, /^error: there is no user david in .*\nhint: .*\n$/)
})

t.test('lists users by name, as JSON on request, and tells of lines that let nobody in', async (t) => {
  const { home } = makeHome(t, `eve:${HASH}\ndavid:${HASH}\nold:{SHA}qnQ6Cq7I99eh8BRCUDlX9Nei1jQ=\n`)
  const list = await run(home, ['user', 'list'])
  t.equal(list.stdout, 'david\neve\n')
  t.match(list.stderr, /line 3 \(old\)/)
  t.notMatch(list.stdout + list.stderr, /qnQ6|\$2y/)
  const json = await run(home, ['user', 'list', '--json', '--quiet'])
  t.same(JSON.parse(json.stdout), {
    users: [
      { user: 'eve', cost: 5 },
      { user: 'david', cost: 5 },
    ],
  })
  t.equal(json.stderr, '')
})

t.test('refuses passwords that bcrypt would cut short, and names that no login can carry', async (t) => {
  const { home, path } = makeHome(t, `david:${HASH}\n`)
  for (const [name, password] of [
    ['eve', 'x'.repeat(73)],
    ['eve', 'a\0b'],
    ['eve', '\n'],
    ['e:ve', 'secret'],
    ['#eve', 'secret'],
    [' eve', 'secret'],
    ['', 'secret'],
  ] as const) {
    const { code, stderr } = await run(home, ['user', 'add', name, '--password-stdin'], password)
    t.equal(code, 2)
    t.match(stderr, /^error: .*\nhint: .*\n$/)
  }
  t.equal(readFileSync(path, 'utf8'), `david:${HASH}\n`)
})

t.test('finds the home by --config from anywhere, and says when it has no login', async (t) => {
  const { home } = makeHome(t, `david:${HASH}\n`)
  const elsewhere = join(home, 'auth')
  t.equal((await run(elsewhere, ['user', 'list', '--config', join(home, 'config.yml')])).stdout, 'david\n')
  const none = await run(elsewhere, ['user', 'list', '--config', join(home, 'none.yml')])
  t.equal(none.code, 1)
  t.match(none.stderr, /none\.yml/)
  writeFileSync(join(home, 'open.yml'), 'version: 0.1\n')
  const open = await run(elsewhere, ['user', 'list', '--config', join(home, 'open.yml')])
  t.equal(open.code, 1)
  t.match(open.stderr, /no htpasswd login\nhint: /)
})

t.test('users that are added at the same time are all there afterwards', async (t) => {
  const { home, path } = makeHome(t, '')
  const names = ['a', 'b', 'c']
  await Promise.all(names.map((name) => runTarn(home, ['user', 'add', name, '--password-stdin'], 'secret')))
  const added = readFileSync(path, 'utf8').trim().split('\n')
  t.same(new Set(added.map((line) => line.split(':')[0])), new Set(names))
})

t.test('outside a home it names the configuration that it used, and --config', async (t) => {
  const { home, path } = makeHome(t)
  const config = join(home, 'config.yml')
  const empty = await run(home, ['user', 'list'])
  t.equal(empty.stdout, '')
  t.equal(empty.stderr, `there are no users in ${path}, which ${config} names; for another registry: --config FILE\n`)
  writeFileSync(config, `version: 0.1\nauth: {htpasswd: {path: ${home}}}\n`)
  for (const args of [['list'], ['remove', 'x'], ['add', 'x', '--password-stdin']]) {
    const { code, stderr } = await run(home, ['user', ...args], 'secret')
    t.equal(code, 1)
    t.equal(
      stderr,
      `error: cannot read the htpasswd file ${home}: EISDIR (${config} names it)\n` +
        'hint: check the file and the directories above it; for another registry name its configuration: --config FILE\n',
    )
  }
  t.same(
    readdirSync(join(home, '..')).filter((name) => name.endsWith('.lock')),
    [],
  )
  writeFileSync(config, 'version: 0.1\n')
  const open = await run(home, ['user', 'list'])
  t.match(
    open.stderr,
    `error: the registry of ${config} has no htpasswd login\nhint: name its configuration with --config FILE`,
  )
})
