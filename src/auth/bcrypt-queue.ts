// Password checks in worker threads, behind a queue that has an end: a flood of logins costs the others a 429 at
// worst, never the event loop or the disk. A password stays here only until it is checked.
import { Worker } from 'node:worker_threads'
import { registryError } from '../oci/errors.ts'
import type { CheckRequest } from './bcrypt-worker.ts'

export interface PasswordChecker {
  /**
   * Whether `password` makes the bcrypt `hash`. `source` is who asks: one source may hold half of the queue.
   * Throws TOOMANYREQUESTS (429, Retry-After) when the queue is full, UNAVAILABLE (503) when the worker died or
   * the queue was closed.
   */
  check(password: string, hash: string, source: string): Promise<boolean>
  close(): Promise<void>
}

export interface BcryptQueueOptions {
  /** Checks that may wait or run. */
  readonly limit: number
  readonly workers: number
  /** Starts a thread; replaced only by tests that need one that dies. */
  readonly startWorker?: () => Worker
}

interface Job extends CheckRequest {
  readonly source: string
  readonly resolve: (matches: boolean) => void
  readonly reject: (error: Error) => void
}

/** Makes the queue. No thread runs before the first check, and an idle thread keeps no process alive. */
export function createBcryptQueue(options: BcryptQueueOptions): PasswordChecker {
  const { limit, workers, startWorker = startBcryptWorker } = options
  const perSource = Math.max(1, Math.floor(limit / 2))
  const waiting: Job[] = []
  const threads = new Map<Worker, Job | undefined>()
  const held = new Map<string, number>()
  let closed = false

  const finish = (job: Job): void => {
    const left = (held.get(job.source) ?? 1) - 1
    if (left === 0) held.delete(job.source)
    else held.set(job.source, left)
  }

  const give = (worker: Worker, job: Job): void => {
    threads.set(worker, job)
    worker.ref()
    worker.postMessage({ password: job.password, hash: job.hash } satisfies CheckRequest)
  }

  const start = (): Worker => {
    const worker = startWorker()
    threads.set(worker, undefined)
    worker.unref()
    worker.on('message', (matches: boolean) => {
      const job = threads.get(worker)
      const next = waiting.shift()
      if (next === undefined) {
        threads.set(worker, undefined)
        worker.unref()
      } else {
        give(worker, next)
      }
      if (job !== undefined) {
        finish(job)
        job.resolve(matches)
      }
    })
    // 'exit' follows and does the work; without a listener the error would end the process.
    worker.on('error', () => undefined)
    worker.on('exit', () => {
      const job = threads.get(worker)
      threads.delete(worker)
      if (job !== undefined) {
        finish(job)
        job.reject(registryError('UNAVAILABLE', { message: 'the login could not be checked, try again' }))
      }
      run()
    })
    return worker
  }

  const run = (): void => {
    while (waiting.length > 0 && !closed) {
      const idle = [...threads].find(([, job]) => job === undefined)?.[0]
      if (idle === undefined && threads.size >= workers) return
      const job = waiting.shift()
      if (job !== undefined) give(idle ?? start(), job)
    }
  }

  const check = (password: string, hash: string, source: string): Promise<boolean> => {
    if (closed) return Promise.reject(registryError('UNAVAILABLE', { message: 'the registry is closing' }))
    const mine = held.get(source) ?? 0
    const total = waiting.length + [...threads.values()].filter((job) => job !== undefined).length
    if (total >= limit || mine >= perSource) {
      return Promise.reject(
        registryError('TOOMANYREQUESTS', { message: 'too many logins at once', headers: { 'Retry-After': '1' } }),
      )
    }
    held.set(source, mine + 1)
    return new Promise((resolve, reject) => {
      waiting.push({ password, hash, source, resolve, reject })
      run()
    })
  }

  const close = async (): Promise<void> => {
    closed = true
    for (const job of waiting.splice(0)) {
      finish(job)
      job.reject(registryError('UNAVAILABLE', { message: 'the registry is closing' }))
    }
    await Promise.all([...threads.keys()].map((worker) => worker.terminate()))
  }
  return { check, close }
}

/** How many threads a machine with `cores` cores gives to password checks: one, or half of them up to four. */
export function countWorkers(cores: number): number {
  return Math.min(4, Math.max(1, Math.floor(cores / 2)))
}

function startBcryptWorker(): Worker {
  // In a checkout this file is TypeScript, in the published package JavaScript; so is the worker's.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return new Worker(new URL(`./bcrypt-worker.${extension}`, import.meta.url), {
    name: 'bcrypt',
    env: {},
    execArgv: [],
    stderr: false,
  })
}
