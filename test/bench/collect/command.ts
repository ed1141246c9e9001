// Time and memory of a command that runs to its end. Its output goes nowhere, so that reading it costs nobody anything.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Machine } from '../../e2e/helpers/machine.ts'
import { readPeak } from '../helpers/memory.ts'

export interface CommandFigures {
  readonly seconds: number
  /** Most memory that it had resident, in MiB, as seen five times a second. */
  readonly peak: number
}

const LOOK_MS = 200

/** Runs it; throws when its exit code is not 0. */
export async function measureCommand(
  machine: Machine,
  command: string,
  args: readonly string[],
): Promise<CommandFigures> {
  const began = performance.now()
  const child = spawn(command, args, { stdio: 'ignore', env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' } })
  machine.onEnd(async () => void child.kill('SIGKILL'))
  let peak = 0
  const look = setInterval(() => {
    readPeak(child.pid ?? -1).then(
      (now) => (peak = Math.max(peak, now)),
      // It has just ended.
      () => undefined,
    )
  }, LOOK_MS)
  try {
    const [code] = (await once(child, 'exit')) as [number | null]
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}`)
    return { seconds: (performance.now() - began) / 1000, peak }
  } finally {
    clearInterval(look)
  }
}
