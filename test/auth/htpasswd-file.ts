import { chmodSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openHtpasswd } from '../../src/auth/htpasswd-file.ts'

const ONE = `a:$2b$04$${'A'.repeat(53)}\n`
const TWO = `b:$2b$04$${'A'.repeat(53)}\n`

function open(path: string, clock: () => number = Date.now) {
  const lines: string[] = []
  const note = (_fields: object, message?: string): void => void lines.push(message ?? '')
  const file = openHtpasswd({ path, clock, logger: { warn: note, error: note } as never })
  return { file, lines }
}

function write(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 })
}

t.test('sees a change that keeps size, inode and mtime', (t) => {
  const path = join(t.testdir(), 'htpasswd')
  write(path, ONE)
  const { file } = open(path)
  t.same([...file.read().users.keys()], ['a'])
  const { atime, mtime, ino } = statSync(path)
  writeFileSync(path, TWO)
  utimesSync(path, atime, mtime)
  t.equal(statSync(path).ino, ino)
  t.equal(statSync(path).mtimeMs, mtime.getTime())
  t.same([...file.read().users.keys()], ['b'])
  t.end()
})

t.test('sees a file that is renamed into place', (t) => {
  const path = join(t.testdir(), 'htpasswd')
  write(path, ONE)
  const { file } = open(path)
  write(`${path}.new`, TWO)
  renameSync(`${path}.new`, path)
  t.same([...file.read().users.keys()], ['b'])
  t.end()
})

t.test('gives the very same snapshot while nothing changes', (t) => {
  const path = join(t.testdir(), 'htpasswd')
  write(path, ONE)
  // An hour ahead: the file is settled.
  const { file } = open(path, () => Date.now() + 3_600_000)
  const first = file.read()
  t.equal(file.read(), first)
  t.end()
})

t.test('lets nobody in when the file vanishes, says so once, and recovers', (t) => {
  const path = join(t.testdir(), 'htpasswd')
  write(path, ONE)
  const { file, lines } = open(path)
  rmSync(path)
  for (let i = 0; i < 3; i += 1) t.equal(file.read().users.size, 0)
  t.equal(lines.length, 1)
  t.match(lines[0], /nobody can log in/)
  write(path, ONE)
  t.equal(file.read().users.size, 1)
  rmSync(path)
  file.read()
  t.equal(lines.length, 2)
  t.end()
})

t.test('lets nobody in when a directory stands in the place of the file', (t) => {
  const path = join(t.testdir({ other: {} }), 'htpasswd')
  write(path, ONE)
  const { file } = open(path)
  rmSync(path)
  renameSync(join(path, '..', 'other'), path)
  t.equal(file.read().users.size, 0)
  t.end()
})

t.test('warns of a world-readable file and of refused lines once for each state of the file', (t) => {
  const path = join(t.testdir(), 'htpasswd')
  writeFileSync(path, `${ONE}c:{SHA}qnQ6Cq7I99eh8BRCUDlX9Nei1jQ=\n`)
  chmodSync(path, 0o644)
  const { file, lines } = open(path)
  for (let i = 0; i < 3; i += 1) file.read()
  t.equal(lines.length, 2)
  t.match(lines[0], /chmod o-r/)
  t.match(lines[1], /line 2 \(user "c"\)/)
  t.notMatch(lines.join(), /qnQ6/)
  t.end()
})

t.test('does not start without a file and names the command that makes one', (t) => {
  const path = join(t.testdir(), 'htpasswd')
  t.throws(() => open(path), {
    message: new RegExp(path),
    hint: `make it with its first user: tarn user add NAME --config CONFIG.yml   (or: htpasswd -cB ${path} NAME)`,
  })
  t.end()
})

t.test('a file in which no line lets anybody in is said with what to do', (t) => {
  for (const text of ['', '# nobody yet\n', 'c:{SHA}qnQ6Cq7I99eh8BRCUDlX9Nei1jQ=\n']) {
    const path = join(t.testdir(), 'htpasswd')
    write(path, text)
    const { file, lines } = open(path)
    for (let i = 0; i < 3; i += 1) file.read()
    t.match(lines.at(-1), /^nobody can log in: .*tarn user add NAME.*htpasswd -B /)
    t.equal(lines.filter((line) => line.startsWith('nobody')).length, 1)
  }
  t.end()
})
