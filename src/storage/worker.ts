// Runs a file of this project in a thread of its own: the reading of a whole data directory, which would hold up the
// event loop for minutes and libuv's pool with it. Such a thread only reads, so it can be ended at any moment.
import { Worker } from 'node:worker_threads'

export interface WorkerTask<Message> {
  /** `import.meta.url` of the caller and the name of the thread's file beside it, without its extension. */
  readonly from: string
  readonly file: string
  /** What the thread finds in `workerData`; it is copied. */
  readonly data: unknown
  /** Called for each message of the thread, in their order; never after an abort. */
  readonly onMessage: (message: Message) => void
  /** Ends the thread at once, whatever it is doing. */
  readonly signal?: AbortSignal | undefined
}

/** Resolves when the thread came to its end. Throws what the thread threw, and the signal's reason after an abort. */
export async function runWorker<Message>({ from, file, data, onMessage, signal }: WorkerTask<Message>): Promise<void> {
  signal?.throwIfAborted()
  // In a checkout these files are TypeScript, in the published package JavaScript.
  const extension = from.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./${file}.${extension}`, from), {
    name: file,
    workerData: data,
    env: {},
    execArgv: [],
  })
  let failure: unknown
  const stop = (): void => void worker.terminate()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const code = await new Promise<number>((resolve) => {
      worker.on('message', (message: Message) => {
        if (signal?.aborted === true || failure !== undefined) return
        try {
          onMessage(message)
        } catch (error) {
          failure = error
          stop()
        }
      })
      worker.on('error', (error) => (failure ??= error))
      worker.on('exit', resolve)
    })
    signal?.throwIfAborted()
    if (failure !== undefined) throw failure
    if (code !== 0) throw new Error(`the thread ${file} ended with code ${code}`)
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}
