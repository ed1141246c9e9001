import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import t from 'tap'
import { socketName } from '../../src/http/socket-path.ts'
import { takeKeeperLock } from '../../src/storage/keeper.ts'
import { createLayout } from '../../src/storage/layout.ts'
import { findSocket, keeperSince, makeHome } from '../helpers/home.ts'
import { makeDirectory } from '../helpers/server.ts'
import { hear } from '../helpers/serving.ts'
import { runTarn } from '../helpers/tarn.ts'

/** Nobody's uids on this machine. */
const OWNER = 4321
const STRANGER = 4322

t.test(
  'a command reaches the running registry, which says where, and the directory itself when there is none',
  async (t) => {
    const { directory, data, serve } = makeHome(t)
    const serving = await serve()
    const socket = await findSocket(data)
    t.equal(lstatSync(socket).mode & 0o777, 0o600)
    const served = await runTarn(directory, ['gc', '--older-than', '0s'])
    t.equal(served.code, 0, served.stderr)
    t.match(served.stderr, /the registry is running: what is younger than gc.lease \(24h\) stays/)
    await hear(serving, 'admin act')
    t.match(serving.stderr(), /admin act.*POST \/gc.*local socket/, 'the log says who did what')
    await serving.end('SIGTERM')
    t.notOk(existsSync(socket), 'nothing is left behind')
    const alone = await runTarn(directory, ['gc', '--older-than', '0s'])
    t.equal(alone.code, 0, alone.stderr)
    t.notMatch(alone.stderr, /is running/)
    t.notOk(existsSync(join(data, '.tarn', 'keeper.json')), 'the lock was freed')
  },
)

t.test('what a killed registry left is passed over, and replaced by the next one', async (t) => {
  const { directory, data, serve } = makeHome(t)
  const run = makeDirectory(t)
  const first = await serve({ XDG_RUNTIME_DIR: run })
  const socket = await findSocket(data)
  const since = keeperSince(data)
  await first.end('SIGKILL')
  const { ino } = lstatSync(socket)
  t.equal((await runTarn(directory, ['gc'])).code, 0)
  await serve({ XDG_RUNTIME_DIR: run })
  t.equal(await findSocket(data, since), socket)
  t.not(lstatSync(socket).ino, ino)
  t.match((await runTarn(directory, ['gc', '--older-than', '0s'])).stderr, /is running/)
})

t.test('of two registries on one directory only the keeper listens; the other does when it takes over', async (t) => {
  const { directory, data, serve } = makeHome(t)
  const run = makeDirectory(t)
  const keeper = await serve({ XDG_RUNTIME_DIR: run })
  const socket = await findSocket(data)
  const since = keeperSince(data)
  const { ino } = lstatSync(socket)
  const reader = await serve({ XDG_RUNTIME_DIR: run })
  await hear(reader, 'serving read-only')
  t.equal(lstatSync(socket).ino, ino)
  t.equal((await runTarn(directory, ['gc'])).code, 0)
  await hear(keeper, 'admin act')
  t.notMatch(reader.stderr(), /admin act/)
  await keeper.end('SIGKILL')
  t.equal(await findSocket(data, since), socket)
  t.not(lstatSync(socket).ino, ino)
  t.equal((await runTarn(directory, ['gc'])).code, 0)
  await hear(reader, 'admin act')
})

t.test('a process that keeps the directory and does not answer is named, and left alone', async (t) => {
  const { directory, data } = makeHome(t)
  const lock = takeKeeperLock(createLayout(data), Date.now)
  if ('refused' in lock) throw new Error(lock.refused)
  t.teardown(() => lock.release())
  const { code, stdout, stderr } = await runTarn(directory, ['gc'])
  t.equal(code, 1)
  t.equal(stdout, '')
  t.match(stderr, new RegExp(`^error: process ${process.pid} keeps the data directory ${data}, and cannot be reached`))
  t.match(stderr, /\nhint: .*podman exec/)
  t.ok(lock.holds())
})

t.test('a socket is not trusted because a file of the data directory names it', async (t) => {
  const { directory, data } = makeHome(t)
  const elsewhere = makeDirectory(t)
  const heard: string[] = []
  const spy = createServer((connection) => {
    heard.push('connection')
    connection.destroy()
  })
  t.teardown(() => spy.close())
  const name = (path: string): void => {
    mkdirSync(join(data, '.tarn'), { recursive: true })
    writeFileSync(join(data, '.tarn', 'keeper.json'), JSON.stringify({ pid: 1, since: '', socket: path }))
  }
  spy.listen(join(elsewhere, 'other.sock'))
  await once(spy, 'listening')
  name(join(elsewhere, 'other.sock'))
  t.equal((await runTarn(directory, ['gc'])).code, 0)
  t.same(heard, [], 'another name')
  if (process.getuid?.() !== 0) return
  renameSync(join(elsewhere, 'other.sock'), join(elsewhere, socketName(data)))
  chownSync(elsewhere, 12_345, 12_345)
  name(join(elsewhere, socketName(data)))
  t.equal((await runTarn(directory, ['gc'])).code, 0)
  t.same(heard, [], 'the directory of somebody else')
})

t.test('what answers on the socket must be the keeper of this very directory', async (t) => {
  const { directory, data, serve } = makeHome(t)
  const other = makeHome(t)
  const serving = await serve()
  const socket = await findSocket(data)
  // As a container with another data directory at the same path would have it, over a shared run-time directory.
  const taken = join(makeDirectory(t), socketName(other.data))
  renameSync(socket, taken)
  mkdirSync(join(other.data, '.tarn'))
  writeFileSync(join(other.data, '.tarn', 'keeper.json'), JSON.stringify({ pid: 1, since: '', socket: taken }))
  t.equal((await runTarn(other.directory, ['gc'])).code, 0)
  t.notMatch(serving.stderr(), /admin act/)
  t.equal((await runTarn(directory, ['--quiet', 'check', '--fast'])).code, 1, 'and its own directory stays kept')
})

t.test('a data directory that is not there is not made', async (t) => {
  const { directory, data } = makeHome(t)
  renameSync(data, `${data}-away`)
  const { code, stderr } = await runTarn(directory, ['gc'])
  t.equal(code, 1)
  t.match(stderr, /^error: there is no data directory .*config.yml names it\)\nhint: .*--config/)
  t.notOk(existsSync(data))
})

t.test('root works on the directory of another user as that user', { skip: notRoot() }, async (t) => {
  const { directory, data } = makeHome(t)
  chmodSync(directory, 0o755)
  chownSync(data, OWNER, OWNER)
  const done = runAsItself(directory, ['gc', '--older-than', '0s'])
  t.equal(done.code, 0, done.stderr)
  const made = readdirSync(data, { recursive: true, encoding: 'utf8' })
  t.ok(made.length > 2)
  t.same(new Set(made.map((path) => lstatSync(join(data, path)).uid)), new Set([OWNER]))
})

t.test('root is told when that user cannot come there', { skip: notRoot() }, async (t) => {
  const { directory, data } = makeHome(t)
  chmodSync(directory, 0o700)
  chownSync(data, OWNER, OWNER)
  const { code, stderr } = runAsItself(directory, ['gc'])
  t.equal(code, 1)
  t.match(stderr, /belongs to uid 4321, and that user cannot reach it here\nhint: .*podman exec/)
  t.same(readdirSync(data), [])
})

t.test('a user who may not write what another one owns is told whose it is', { skip: notRoot() }, async (t) => {
  const { directory, data } = makeHome(t)
  chmodSync(directory, 0o755)
  mkdirSync(join(data, '.tarn'))
  writeFileSync(join(data, '.tarn', 'keeper.json'), JSON.stringify({ pid: 77, since: '' }))
  for (const path of ['', '.tarn', '.tarn/keeper.json']) chownSync(join(data, path), OWNER, OWNER)
  const kept = runAsItself(directory, ['gc'], STRANGER)
  t.equal(kept.code, 1)
  t.equal(
    kept.stderr,
    `error: the data directory ${data} belongs to uid ${OWNER}, kept by process 77; this is uid ${STRANGER}\nhint: give the command as that user: sudo -u '#${OWNER}' tarn …\n`,
  )
  chownSync(data, 0, 0)
  chmodSync(data, 0o755)
  t.match(runAsItself(directory, ['check'], STRANGER).stderr, /belongs to uid 0.*\nhint: .* sudo -u root tarn …\n$/)
  chmodSync(data, 0o700)
  t.match(runAsItself(directory, ['gc'], STRANGER).stderr, /belongs to uid 0/)
  chmodSync(directory, 0o700)
  const closed = runAsItself('/', ['ls'], STRANGER, { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: data })
  t.match(closed.stderr, /cannot come to .*data: .*\nhint: give the command as the user of the registry/)
})

t.test('a copy that only root may read is told with the uid that must', { skip: notRoot() }, async (t) => {
  const { directory, data } = makeHome(t)
  chmodSync(directory, 0o755)
  chownSync(data, OWNER, OWNER)
  mkdirSync(join(directory, 'closed', 'copy', 'docker', 'registry', 'v2'), { recursive: true })
  chmodSync(join(directory, 'closed'), 0o700)
  const { code, stderr } = runAsItself(directory, ['check', '--repair', '--from', 'closed/copy'])
  t.equal(code, 1)
  t.match(
    stderr,
    /^error: cannot read .*copy as uid 4321, the user of the registry: EACCES\nhint: uid 4321 must be able/m,
  )
})

t.test('a registry that nobody named is told, and nothing is removed there', async (t) => {
  const { data, serve } = makeHome(t)
  const elsewhere = makeDirectory(t)
  const env = { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: data }
  const run = (...args: string[]) => runTarn(elsewhere, args, '', env)
  for (const args of [['rm', '--yes', 'a'], ['gc'], ['retain'], ['check', '--repair']]) {
    const { code, stdout, stderr } = await run(...args)
    t.same([code, stdout], [2, ''], args.join(' '))
    t.match(
      stderr,
      /^using (?:the built-in defaults|\/etc\/.*\.yml), data in (.*)\nerror: .*\1\)\nhint: .*--config FILE\n$/,
    )
    t.match(stderr, data)
  }
  t.same(readdirSync(data), [])
  const looked = await run('ls')
  t.equal(looked.code, 0)
  t.match(looked.stderr, new RegExp(`^using .*, data in ${data}\nthere are no repositories in ${data}\n$`))
  t.equal((await run('ls', '--quiet')).stderr, '')
  t.equal((await run('gc', '--dry-run')).code, 0)
  const named = { ...env, REGISTRY_CONFIGURATION_PATH: join(data, '..', 'config.yml') }
  const meant = await runTarn(elsewhere, ['gc'], '', named)
  t.equal(meant.code, 0, 'the variable names it')
  t.match(meant.stderr, /^using .*config\.yml, data in /)
  await serve()
  await findSocket(data)
  t.equal((await run('gc')).code, 0, 'a running registry serves it')
})

// Only root can give files away; without it there is nothing that could go wrong in this way.
function notRoot(): string | false {
  return process.getuid?.() === 0 ? false : 'only root can give files away'
}

// tap writes a file of its own when a child of a test ends, which is not this user's to write.
function runAsItself(
  directory: string,
  args: readonly string[],
  uid = 0,
  env: Readonly<Record<string, string>> = {},
): { readonly code: number | null; readonly stderr: string } {
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
  const settings = Object.entries({ HOME: directory, ...env }).map(([key, value]) => `${key}=${value}`)
  const words = ['-i', ...settings, process.execPath, main, ...args]
  const { status, stderr } = spawnSync('env', words, { cwd: directory, encoding: 'utf8', uid, gid: uid })
  return { code: status, stderr }
}
