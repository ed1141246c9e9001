import { compareSync } from 'bcryptjs'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { runTarn } from '../helpers/tarn.ts'

const HASH = '$2y$05$LTYmKvxyYqEkzW2y4BeF1OrqKjfw4Epk.brrAKOYiGkW720.J.4QS'

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
  const { code, stdout, stderr } = await runTarn(home, ['user', 'add', 'eve', '--password-stdin'], 'secret\n')
  t.equal(code, 0, stderr)
  t.equal(stdout, 'added eve\n')
  const text = readFileSync(path, 'utf8')
  t.ok(text.startsWith(`# team\ndavid:${HASH}\neve:$2`))
  t.ok(compareSync('secret', text.trim().split('eve:')[1] ?? ''))
  t.equal(statSync(path).mode & 0o777, 0o640)
})

t.test('makes the file, readable by its owner only, when there is none', async (t) => {
  const { home, path } = makeHome(t)
  t.equal((await runTarn(home, ['user', 'add', 'eve', '--password-stdin'], 'secret')).code, 0)
  t.equal(statSync(path).mode & 0o777, 0o600)
})

t.test('gives a user that is there a new password', async (t) => {
  const { home, path } = makeHome(t, `david:${HASH}\n`)
  const { stdout } = await runTarn(home, ['user', 'add', 'david', '--password-stdin'], 'better')
  t.equal(stdout, 'david has a new password\n')
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  t.equal(lines.length, 1)
  t.ok(compareSync('better', lines[0]?.slice(6) ?? ''))
})

t.test('removes a user, and says when there is no such user', async (t) => {
  const { home, path } = makeHome(t, `# team\ndavid:${HASH}\neve:${HASH}\n`)
  t.equal((await runTarn(home, ['user', 'remove', 'david'])).stdout, 'removed david\n')
  t.equal(readFileSync(path, 'utf8'), `# team\neve:${HASH}\n`)
  const again = await runTarn(home, ['user', 'remove', 'david'])
  t.equal(again.code, 1)
  t.match(again.stderr, /^error: there is no user david in .*\nhint: .*\n$/)
})

t.test('lists users by name, as JSON on request, and tells of lines that let nobody in', async (t) => {
  const { home } = makeHome(t, `eve:${HASH}\ndavid:${HASH}\nold:{SHA}qnQ6Cq7I99eh8BRCUDlX9Nei1jQ=\n`)
  const list = await runTarn(home, ['user', 'list'])
  t.equal(list.stdout, 'david\neve\n')
  t.match(list.stderr, /line 3 \(old\)/)
  t.notMatch(list.stdout + list.stderr, /qnQ6|\$2y/)
  const json = await runTarn(home, ['user', 'list', '--json', '--quiet'])
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
    const { code, stderr } = await runTarn(home, ['user', 'add', name, '--password-stdin'], password)
    t.equal(code, 2)
    t.match(stderr, /^error: .*\nhint: .*\n$/)
  }
  t.equal(readFileSync(path, 'utf8'), `david:${HASH}\n`)
})

t.test('finds the home by --config from anywhere, and says when it has no login', async (t) => {
  const { home } = makeHome(t, `david:${HASH}\n`)
  const elsewhere = join(home, 'auth')
  t.equal((await runTarn(elsewhere, ['user', 'list', '--config', join(home, 'config.yml')])).stdout, 'david\n')
  const none = await runTarn(elsewhere, ['user', 'list', '--config', join(home, 'none.yml')])
  t.equal(none.code, 1)
  t.match(none.stderr, /none\.yml/)
  writeFileSync(join(home, 'open.yml'), 'version: 0.1\n')
  const open = await runTarn(elsewhere, ['user', 'list', '--config', join(home, 'open.yml')])
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
