// What a command needs from the process, so that none of them takes it from a global.
import type { Command } from 'commander'
import type { Readable, Writable } from 'node:stream'
import type { Output } from './output.ts'
import { createOutput } from './output.ts'

export interface CommandContext {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly random: (size: number) => Uint8Array
}

/** The output of `command` under the global `--json` and `--quiet`. */
export function outputOf(command: Command, { stdout, stderr }: CommandContext): Output {
  const { json = false, quiet = false } = command.optsWithGlobals<{ json?: boolean; quiet?: boolean }>()
  return createOutput({ stdout, stderr, json, quiet })
}

/** For an option that may be given again and again: `--host a --host b`. (A variadic one would swallow DIR.) */
export function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value]
}
