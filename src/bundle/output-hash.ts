// The SHA-256 of a whole file while it is written, in a thread of its own: it takes as long as the writing, and beside it
// costs no time. Chunks of shared memory are not copied.
import { Worker } from 'node:worker_threads'

export class OutputHash {
  readonly #worker: Worker
  readonly #waiting: { resolve: (hex: string | undefined) => void; reject: (error: unknown) => void }[] = []
  #failure: unknown

  constructor() {
    const from = import.meta.url
    // In a checkout the file is TypeScript, in the published package JavaScript.
    const file = new URL(`./output-hash-thread.${from.endsWith('.ts') ? 'ts' : 'js'}`, from)
    this.#worker = new Worker(file, { name: 'output-hash', env: {}, execArgv: [] })
    this.#worker.on('message', (hex: string | undefined) => this.#waiting.shift()?.resolve(hex))
    const fail = (error: unknown): void => {
      this.#failure ??= error
      for (const { reject } of this.#waiting.splice(0)) reject(error)
    }
    this.#worker.on('error', fail)
    this.#worker.on('exit', () => fail(new Error('the thread that hashes a file ended')))
  }

  /** Takes the next bytes of the file; resolves when they may change. */
  async update(chunk: Uint8Array): Promise<void> {
    const { buffer, byteOffset, byteLength } = chunk
    await this.#ask(buffer instanceof SharedArrayBuffer ? { buffer, byteOffset, byteLength } : Uint8Array.from(chunk))
  }

  /** The hash of all that was taken, in hexadecimal; the next file begins. */
  async digest(): Promise<string> {
    return (await this.#ask('digest')) ?? ''
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }

  #ask(message: unknown): Promise<string | undefined> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#worker.postMessage(message)
    })
  }
}
