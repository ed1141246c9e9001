// Sends one kind of request over keep-alive connections for a fixed time, with wrk where it can and with
// the generator of this folder where not (wrk waits for the body that an answer to HEAD does not have).
// A load in which anything but 200 was answered counts for nothing: it throws.
import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Machine } from '../../e2e/helpers/machine.ts'
import type { GeneratorTask } from './generator.ts'
import type { Peer } from './peers.ts'

export interface Load {
  readonly method: 'GET' | 'HEAD'
  readonly path: string
  readonly accept?: string
  readonly connections: number
  readonly seconds: number
}

export interface Measured {
  /** Requests per second. */
  readonly rate: number
  /** Milliseconds from request to the end of the answer. */
  readonly p50: number
  readonly p99: number
}

export type SendLoad = (peer: Peer, load: Load) => Promise<Measured>

/** Makes the sender of loads; `wrk` is its path, or undefined where there is none. */
export async function makeSender(machine: Machine, wrk: string | undefined): Promise<SendLoad> {
  const folder = await machine.scratch('bench-load')
  return (peer, load) =>
    wrk === undefined || load.method === 'HEAD' ? generate(peer, load) : runWrk(machine, wrk, folder, peer, load)
}

function headersOf(peer: Peer, { accept }: Load): Record<string, string> {
  const { login } = peer
  return {
    Accept: accept ?? '*/*',
    ...(login === undefined
      ? {}
      : { Authorization: `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}` }),
  }
}

// Headers go into wrk's script and not onto its command line, which everybody on the machine can read.
async function runWrk(machine: Machine, wrk: string, folder: string, peer: Peer, load: Load): Promise<Measured> {
  const script = join(folder, `${randomBytes(4).toString('hex')}.lua`)
  const headers = Object.entries(headersOf(peer, load))
  const lua = `${headers.map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`).join('\n')}
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
`
  await writeFile(script, lua, { mode: 0o600 })
  try {
    const options = ['-t', '1', '-c', `${load.connections}`, '-d', `${load.seconds}s`, '-s', script]
    const { text } = await machine.run(wrk, [...options, peer.url + load.path], {
      timeout: (load.seconds + 30) * 1000,
    })
    const [, requests, micros, p50, p99, errors] = /RESULT (\d+) (\d+) (\d+) (\d+) (\d+)/.exec(text) ?? []
    if (Number(errors) !== 0 || !(Number(requests) > 0)) throw new Error(`a load on ${peer.name} went wrong:\n${text}`)
    return { rate: (Number(requests) * 1e6) / Number(micros), p50: Number(p50) / 1000, p99: Number(p99) / 1000 }
  } finally {
    await rm(script, { force: true })
  }
}

async function generate(peer: Peer, load: Load): Promise<Measured> {
  const task: GeneratorTask = {
    port: peer.port,
    ca: peer.ca?.pem,
    method: load.method,
    path: load.path,
    headers: headersOf(peer, load),
    connections: load.connections,
    milliseconds: load.seconds * 1000,
  }
  const worker = new Worker(new URL('generator.ts', import.meta.url), { workerData: task })
  const limit = task.milliseconds + 30_000
  const { promise, resolve, reject } = Promise.withResolvers<Measured>()
  const timer = setTimeout(() => reject(new Error(`a load on ${peer.name} did not end in ${limit} ms`)), limit)
  worker.once('message', resolve)
  worker.once('error', reject)
  worker.once('exit', () => reject(new Error(`a load on ${peer.name} gave no figures`)))
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    await worker.terminate()
  }
}
