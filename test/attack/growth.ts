// What hostile clients send must not make the server grow: memory and open files of a server in a process of
// its own, read from /proc before and after (R1, R2). It is warmed up first, so that only growth is seen, and its heap
// is small: what piled up would end it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import t from 'tap'
import { exchange, writeRequest } from '../helpers/raw-socket.ts'
import { makeDirectory } from '../helpers/server.ts'

const MIB = 1024 * 1024
const INDEX = ['Content-Type: application/vnd.oci.image.index.v1+json']

interface Process {
  readonly port: number
  readMemory(): number
  countFiles(): number
}

async function serve(t: Test): Promise<Process> {
  const directory = makeDirectory(t)
  const config = join(directory, 'config.yml')
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${join(directory, 'data')}}}\n`,
  )
  const main = join(import.meta.dirname, '../../src/main.ts')
  const child = spawn(
    process.execPath,
    ['--max-old-space-size=192', main, 'serve', config, '--listen', '127.0.0.1:0'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  t.teardown(async () => {
    if (child.exitCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const { pid } = child
  return {
    port: Number(/:(\d+)$/.exec(line.trim())?.[1]),
    readMemory: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024,
    countFiles: () => readdirSync(`/proc/${pid}/fd`).length,
  }
}

/** Sends a request many times, twenty at a time (large ones four); gives the statuses that came. */
async function flood(port: number, bytes: Buffer, times: number): Promise<Set<number>> {
  const width = bytes.length > MIB ? 4 : 20
  const statuses = new Set<number>()
  for (let at = 0; at < times; at += width) {
    const all = await Promise.all(Array.from({ length: width }, () => exchange(port, bytes)))
    for (const { answers } of all) statuses.add(answers[0]?.status ?? 0)
  }
  return statuses
}

/** Opens a connection, sends a request that is never finished, and goes away without a word. */
async function abandon(port: number, text: string): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  await new Promise<void>((resolve) => socket.write(text, () => resolve()))
  socket.resetAndDestroy()
  if (!socket.closed) await once(socket, 'close')
}

/** MiB that memory may have grown: large bodies are garbage for a while, and V8 takes its time with it. */
const roomFor = (bytes: Buffer): number => (bytes.length > MIB ? 400 : 64)

const put = (body: string): Buffer => writeRequest('PUT', '/v2/a/manifests/x', INDEX, body)

const FLOODS = [
  ['a catalog of n=1e9', 400, writeRequest('GET', '/v2/_catalog?n=1000000000'), 200],
  ['a catalog of n=2^53', 400, writeRequest('GET', '/v2/_catalog?n=9007199254740993'), 200],
  ['a catalog of n of 4,000 digits', 400, writeRequest('GET', `/v2/_catalog?n=${'9'.repeat(4000)}`), 200],
  ['a catalog of n=-1', 400, writeRequest('GET', '/v2/_catalog?n=-1'), 400],
  ['tags of n=1e9', 400, writeRequest('GET', '/v2/a/tags/list?n=1000000000'), 200],
  ['unknown paths', 400, writeRequest('GET', `/v2/${'x/'.repeat(2000)}y`), 404],
  ['unknown tags', 400, writeRequest('GET', '/v2/a/manifests/unknown'), 404],
  ['4 MB of brackets', 16, put('['.repeat(4 * MIB)), 400],
  ['4 MB of nested objects', 16, put('{"a":'.repeat(800_000)), 400],
  ['4 MB of children', 16, put(`{"schemaVersion":2,"manifests":[${'{},'.repeat(1_300_000)}{}]}`), 413],
] as const

t.test('memory and open files stay where they were', async (t) => {
  const server = await serve(t)
  t.same(await flood(server.port, put('{"schemaVersion":2,"manifests":[]}'), 20), new Set([201]))
  for (const [, , bytes] of FLOODS) if (bytes.length <= MIB) await flood(server.port, bytes, 40)
  const [memory, files] = [server.readMemory(), server.countFiles()]

  for (const [name, times, bytes, status] of FLOODS) {
    t.same(await flood(server.port, bytes, times), new Set([status]), `${times} times ${name} are ${status}`)
    const grown = Math.round((server.readMemory() - memory) / MIB)
    t.ok(grown < roomFor(bytes), `${name}: memory grew by ${grown} MiB`)
  }
  const abandoned = [
    'GET /v2/',
    'GET /v2/ HTTP/1.1\r\nHost: x\r\n',
    'PUT /v2/a/manifests/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n{"schemaVersion"',
    'PUT /v2/a/manifests/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n{',
    `POST /v2/a/blobs/uploads/?digest=sha256:${'a'.repeat(64)} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhalf`,
  ]
  for (const text of abandoned) {
    for (let at = 0; at < 40; at++) await Promise.all(Array.from({ length: 5 }, () => abandon(server.port, text)))
  }
  const { answers } = await exchange(server.port, writeRequest('GET', '/v2/'))
  t.equal(answers[0]?.status, 200, 'the server goes on')
  const grown = Math.round((server.readMemory() - memory) / MIB)
  t.ok(grown < 400, `after 1,000 abandoned requests memory grew by ${grown} MiB`)
  // The kernel tells the server of the last resets in its own time: each look is a request, not a sleep.
  for (let look = 0; look < 200 && server.countFiles() > files; look++) {
    await exchange(server.port, writeRequest('GET', '/v2/'))
  }
  t.ok(server.countFiles() <= files + 1, `open files: ${files} before, ${server.countFiles()} after`)
})
