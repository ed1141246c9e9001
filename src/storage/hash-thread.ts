// The hash of a file while it is written, in a thread of its own: it takes as long as the writing, and beside it costs no
// time and holds up nobody. Chunks of shared memory are not copied.
import { Worker } from 'node:worker_threads'
import type { Algorithm } from '../oci/digest.ts'

export class HashThread {
  readonly #waiting: { resolve: (hex: string | undefined) => void; reject: (error: unknown) => void }[] = []
  /** Buffers that the thread was given, each once: what it makes of a message is garbage afterwards. */
  readonly #shared = new Map<SharedArrayBuffer, number>()
  #worker: Worker | undefined
  #failure: unknown

  /** A new hash begins; what was taken of one before is forgotten. */
  start(algorithm: Algorithm): void {
    this.#thread().postMessage(algorithm)
  }

  /** Takes the next bytes; resolves when they may change. */
  async update(chunk: Uint8Array): Promise<void> {
    const { buffer, byteOffset, byteLength } = chunk
    if (!(buffer instanceof SharedArrayBuffer)) return void (await this.#ask(Uint8Array.from(chunk)))
    const known = this.#shared.get(buffer)
    const id = known ?? this.#shared.size
    this.#shared.set(buffer, id)
    await this.#ask({ id, byteOffset, byteLength, ...(known === undefined && { buffer }) })
  }

  /** The hash of all that was taken since `start`, in hexadecimal. */
  async digest(): Promise<string> {
    return (await this.#ask('digest')) ?? ''
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #ask(message: unknown): Promise<string | undefined> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#thread().postMessage(message)
    })
  }

  // Only for the first one who needs it: most archives of a test have no large blob.
  #thread(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const from = import.meta.url
    // In a checkout the file is TypeScript, in the published package JavaScript.
    const file = new URL(`./hash-thread-loop.${from.endsWith('.ts') ? 'ts' : 'js'}`, from)
    const worker = new Worker(file, { name: 'hash', env: {}, execArgv: [] })
    worker.on('message', (hex: string | undefined) => this.#waiting.shift()?.resolve(hex))
    const fail = (error: unknown): void => {
      this.#failure ??= error
      for (const { reject } of this.#waiting.splice(0)) reject(error)
    }
    worker.on('error', fail)
    worker.on('exit', () => fail(new Error('the thread that hashes a file ended')))
    this.#worker = worker
    return worker
  }
}
