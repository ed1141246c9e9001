// A long act's words to its client: one JSON object a line (application/x-ndjson), the report last. A client that reads
// slowly or went away never slows the act down, and never makes this process keep more than a bounded number of lines.
import { Readable } from 'node:stream'
import type { Finding } from '../../registry/check.ts'
import type { Progress } from '../../registry/collect.ts'

const PROGRESS_EVERY_MS = 100
const STREAM_BYTES = 65_536
// More findings than that a client who does not read finds in the report alone.
const MOST_WAITING = 10_000

export type LastEvent =
  | { readonly event: 'report'; readonly report: unknown }
  | { readonly event: 'error'; readonly message: string; readonly hint?: string; readonly exitCode?: number }

export class EventStream {
  /** What is sent to the client. */
  readonly readable: Readable
  #waiting: string[] = []
  #flows = true
  #ended = false
  #progress: Progress | undefined
  #timer: NodeJS.Timeout | undefined

  constructor() {
    this.readable = new Readable({ highWaterMark: STREAM_BYTES, read: () => this.#resume() })
    this.readable.once('close', () => this.#stop())
  }

  /** At most ten lines a second, of which the newest counts; none while the client does not read. */
  progress(progress: Progress): void {
    if (this.#ended) return
    this.#progress = progress
    if (this.#timer !== undefined) return
    this.#sendProgress()
    this.#timer = setInterval(() => this.#tick(), PROGRESS_EVERY_MS).unref()
  }

  finding(finding: Finding): void {
    this.tell('finding', finding)
  }

  /** One line of its own for each, as long as the client reads. */
  tell(event: string, facts: object): void {
    if (!this.#ended && this.#waiting.length < MOST_WAITING) this.#put({ event, ...facts })
  }

  /** Ends the stream with its last line; further calls do nothing. */
  end(last: LastEvent): void {
    if (this.#ended) return
    // An act of less than a tick would else have told no step at all.
    this.#sendProgress()
    this.#put(last)
    this.#ended = true
    clearInterval(this.#timer)
    if (this.#flows) this.readable.push(null)
  }

  #tick(): void {
    if (this.#progress !== undefined) {
      this.#sendProgress()
      return
    }
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #sendProgress(): void {
    // What waits is older than what a client wants to know when it reads again.
    if (this.#progress === undefined || !this.#flows) return
    this.#put({ event: 'progress', ...this.#progress })
    this.#progress = undefined
  }

  #put(event: object): void {
    const line = `${JSON.stringify(event)}\n`
    if (this.#flows) this.#flows = this.readable.push(line)
    else this.#waiting.push(line)
  }

  #resume(): void {
    this.#flows = true
    const lines = this.#waiting
    let sent = 0
    while (this.#flows && sent < lines.length) this.#flows = this.readable.push(lines[sent++])
    this.#waiting = lines.slice(sent)
    if (this.#ended && this.#waiting.length === 0) this.readable.push(null)
  }

  #stop(): void {
    this.#ended = true
    this.#waiting = []
    clearInterval(this.#timer)
  }
}
