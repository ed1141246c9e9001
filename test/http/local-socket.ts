import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, lstatSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { request as requestHttp } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import pino from 'pino'
import t from 'tap'
import type { Test } from 'tap'
import type { LocalSocketOptions } from '../../src/http/local-socket.ts'
import { startLocalSocket } from '../../src/http/local-socket.ts'
import { socketName } from '../../src/http/socket-path.ts'
import type { Acts } from '../helpers/api.ts'
import { NO_COLLECTION, eventsOf, makeApiParts } from '../helpers/api.ts'
import { makeDirectory } from '../helpers/server.ts'

const UID = process.getuid?.() ?? 0

/** A data directory, a run-time directory and what the log says. */
function makePlace(t: Test, acts: Acts = {}) {
  const root = makeDirectory(t)
  const [directory, run] = [join(root, 'data'), join(root, 'run')]
  mkdirSync(directory)
  mkdirSync(run)
  const warnings: string[] = []
  const told: string[] = []
  const logger = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) })
  const places = { uid: UID, own: run, system: join(root, 'system'), temporary: root }
  const start = (changes: Partial<LocalSocketOptions> = {}) => {
    const socket = startLocalSocket({
      directory,
      api: makeApiParts(acts),
      logger,
      places,
      onListening: (path) => told.push(path),
      ...changes,
    })
    t.teardown(() => socket.close())
    return socket
  }
  return { root, directory, run, places, warnings, told, start, path: join(run, 'tarn', socketName(directory)) }
}

function ask(socketPath: string, method: string, path: string, body?: string, headers = {}) {
  return new Promise<{ status: number | undefined; body: Buffer }>((resolve, reject) => {
    const request = requestHttp({ socketPath, method, path, headers, agent: false }, async (response) => {
      const parts: Buffer[] = []
      try {
        for await (const part of response) parts.push(part as Buffer)
        resolve({ status: response.statusCode, body: Buffer.concat(parts) })
      } catch (error) {
        reject(error)
      }
    })
    request.once('error', reject)
    request.end(body)
  })
}

t.test('the socket is for its user alone, serves the API without login, and is gone after closing', async (t) => {
  const { start, path, told, run } = makePlace(t)
  const socket = start()
  t.equal(await socket.ready, path)
  t.same(told, [path])
  t.equal(lstatSync(path).mode & 0o777, 0o600)
  t.ok(lstatSync(path).isSocket())
  t.equal(statSync(join(run, 'tarn')).mode & 0o777, 0o700)
  t.same(readdirSync(join(run, 'tarn')), [socketName(join(run, '..', 'data'))], 'and nothing beside it')
  t.equal((await ask(path, 'GET', '/api/v1/status')).status, 200)
  t.equal((await ask(path, 'GET', '/v2/')).status, 404, 'it is for the admin API only')
  const json = { 'content-type': 'application/json' }
  const { body } = await ask(path, 'POST', '/api/v1/check', '{"from":["/x"]}', json)
  t.match(eventsOf(body).at(-1), { event: 'report' }, 'paths of this machine are taken here')
  t.equal((await ask(path, 'POST', '/api/v1/gc', '{}')).status, 415, 'the same rules as over HTTP')
  await socket.close()
  t.same(readdirSync(join(run, 'tarn')), [])
})

t.test('the mode does not depend on the mask of the process', async (t) => {
  const { start, path } = makePlace(t)
  const before = process.umask(0)
  t.teardown(() => process.umask(before))
  await start().ready
  t.equal(lstatSync(path).mode & 0o777, 0o600)
})

t.test('a socket that a dead server left is replaced', async (t) => {
  const { start, path, run } = makePlace(t)
  mkdirSync(join(run, 'tarn'), { mode: 0o700 })
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'close')
  t.ok(lstatSync(path).isSocket(), 'it was left')
  t.equal(await start().ready, path)
  t.equal((await ask(path, 'GET', '/api/v1/status')).status, 200)
})

t.test('a socket on which somebody answers is never taken away', async (t) => {
  const { start, path, run, root } = makePlace(t)
  mkdirSync(join(run, 'tarn'), { mode: 0o700 })
  const other = createServer((connection) => connection.on('error', () => undefined).end('other')).listen(path)
  t.teardown(() => other.close())
  await once(other, 'listening')
  const { ino } = lstatSync(path)
  const socket = start()
  t.match(await socket.ready, join(root, 'system'), 'another place is taken')
  t.equal(lstatSync(path).ino, ino)
  await socket.close()
  t.equal(lstatSync(path).ino, ino)
})

t.test('closing leaves a socket alone that another keeper put there since', async (t) => {
  const { start, path } = makePlace(t)
  const first = start()
  await first.ready
  execFileSync('rm', [path])
  const second = start()
  t.equal(await second.ready, path)
  await first.close()
  t.equal((await ask(path, 'GET', '/api/v1/status')).status, 200)
})

t.test('one that is closed before it listens puts nothing there', async (t) => {
  const { start, run, told } = makePlace(t)
  const socket = start()
  await socket.close()
  t.equal(await socket.ready, undefined)
  t.same(readdirSync(join(run, 'tarn')), [])
  t.same(told, [])
})

t.test('closing takes the socket away at once, before the lock is freed, and cuts who waits', async (t) => {
  const held = Promise.withResolvers<void>()
  const { start, path } = makePlace(t, { collect: async () => (await held.promise, NO_COLLECTION) })
  const socket = start()
  await socket.ready
  const waiting = ask(path, 'POST', '/api/v1/gc', '{}', { 'content-type': 'application/json' })
  waiting.catch(() => undefined)
  while (!(await ask(path, 'GET', '/api/v1/status')).body.toString().includes('"job":"gc"')) await Promise.resolve()
  const closing = socket.close()
  t.equal(lstatSync(path, { throwIfNoEntry: false }), undefined)
  await t.rejects(waiting)
  held.resolve()
  await closing
})

t.test('where no socket can be had the registry goes on with a warning', async (t) => {
  const { start, run, root, places, warnings, told } = makePlace(t)
  writeFileSync(join(run, 'tarn'), 'a file in the way')
  const socket = start({
    places: { ...places, system: '/nonexistent/tarn', temporary: join(root, 'x'.repeat(120)) },
  })
  t.equal(await socket.ready, undefined)
  t.same(told, [])
  t.equal(warnings.length, 1)
  t.match(warnings[0], /no local socket/)
  await socket.close()
})

t.test('a directory of somebody else is passed over', async (t) => {
  const { start, run, root, places } = makePlace(t)
  mkdirSync(join(run, 'tarn'))
  mkdirSync(join(root, 'system'))
  chmodSync(join(run, 'tarn'), 0o777)
  // As if this process were another user, who owns neither.
  const socket = start({ places: { ...places, uid: UID + 1, temporary: join(root, 'none') } })
  t.equal(await socket.ready, undefined)
  t.same(readdirSync(join(run, 'tarn')), [])
  t.same(readdirSync(join(root, 'system')), [])
})
