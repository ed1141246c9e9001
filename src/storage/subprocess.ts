// Runs a file of this project in a process of its own, for reading that goes on for minutes beside a server. A thread
// would share V8's helpers with the server: what they compile and collect for it takes processors at the server's priority.
import { fork } from 'node:child_process'

export interface SubprocessTask<Message> {
  /** `import.meta.url` of the caller and the name of the file beside it, without its extension. */
  readonly from: string
  readonly file: string
  /** The one message that the process is sent. */
  readonly data: unknown
  /** Called for each message of the process, in their order; never after an abort. */
  readonly onMessage: (message: Message) => void
  /** Ends the process at once, whatever it is doing. */
  readonly signal?: AbortSignal | undefined
}

/** What such a process says: messages, and how it ended. */
export type Said<Message> =
  | { readonly message: Message }
  | { readonly end: true }
  | { readonly failed: { readonly name: string; readonly message: string; readonly code?: string | undefined } }

/** Resolves when the process came to its end. Throws what it threw, and the signal's reason after an abort. */
export async function runSubprocess<Message>(task: SubprocessTask<Message>): Promise<void> {
  const { from, file, data, onMessage, signal } = task
  signal?.throwIfAborted()
  // In a checkout these files are TypeScript, in the published package JavaScript.
  const extension = from.endsWith('.ts') ? 'ts' : 'js'
  const { PATH = '' } = process.env
  const child = fork(new URL(`./${file}.${extension}`, from), {
    env: { PATH },
    // One thread, so that all of it has the priority that it gives itself.
    execArgv: ['--single-threaded', '--max-semi-space-size=2', '--disable-warning=ExperimentalWarning'],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  let failure: unknown
  let isWhole = false
  const stop = (): void => void child.kill('SIGKILL')
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const ended = Promise.withResolvers<string>()
    const drained = Promise.withResolvers<void>()
    child.on('message', (said: Said<Message>) => {
      if (signal?.aborted === true || failure !== undefined) return
      try {
        if ('message' in said) onMessage(said.message)
        else if ('end' in said) isWhole = true
        else failure = Object.assign(new Error(said.failed.message), said.failed)
      } catch (error) {
        failure = error
        stop()
      }
      // It waits for that.
      if (isWhole || failure !== undefined) child.disconnect()
    })
    child.on('error', (error) => {
      failure ??= error
      ended.resolve('nothing')
      drained.resolve()
    })
    child.on('exit', (code, by) => ended.resolve(by ?? `code ${code}`))
    // Its last words may come after its end.
    child.on('disconnect', () => drained.resolve())
    child.send(data as object, (error) => {
      if (error !== null) failure ??= error
    })
    const [how] = await Promise.all([ended.promise, drained.promise])
    signal?.throwIfAborted()
    if (failure !== undefined) throw failure
    if (!isWhole) throw new Error(`the process ${file} ended with ${how}`)
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

/**
 * The other side: waits for the one message, hands on what `act` yields, and ends the process. To be called once by the file
 * that is run.
 */
export function answerParent<Message>(act: (data: unknown) => Promise<Iterable<Message>>): void {
  // Ctrl-C and supervisors mean the server too, which ends this in its own time.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
  process.once('disconnect', () => process.exit(1))
  const say = (said: Said<Message>): Promise<void> =>
    new Promise((resolve) => {
      // Nobody is there any more to hear it.
      process.send?.(said, undefined, undefined, (error) => (error === null ? resolve() : process.exit(1)))
    })
  const run = async (data: unknown): Promise<void> => {
    try {
      for (const message of await act(data)) await say({ message })
      await say({ end: true })
    } catch (error) {
      const { name, message, code } = error as NodeJS.ErrnoException
      await say({ failed: { name, message, code } })
    }
  }
  process.once('message', (data) => void run(data))
}
