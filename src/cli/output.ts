// How commands speak: results on stdout, notes and errors on stderr, exit codes. It shows a stack only for a bug, and
// never decides what a command does.
import type { Writable } from 'node:stream'
import { RegistryError } from '../oci/errors.ts'
import { printableLines } from './printable.ts'

/** DESIGN §5; 70 is EX_SOFTWARE of sysexits: a bug of ours. */
export const EXIT = { done: 0, failed: 1, usage: 2, partly: 3, notVerified: 4, bug: 70 } as const

export interface OutputOptions {
  readonly stdout: Writable
  readonly stderr: Writable
  readonly json: boolean
  readonly quiet: boolean
}

export interface Output {
  /** The command's result: `value` as one JSON document with --json, else `text`. */
  result(value: unknown, text: string): void
  /** What is good to know and not asked for; left out with --quiet and kept off stdout. */
  note(text: string): void
}

export function createOutput({ stdout, stderr, json, quiet }: OutputOptions): Output {
  return {
    result(value, text) {
      if (json) stdout.write(`${JSON.stringify(value)}\n`)
      else if (text !== '') stdout.write(`${printableLines(text)}\n`)
    },
    note(text) {
      if (!quiet) stderr.write(`${printableLines(text)}\n`)
    },
  }
}

/** Writes `error:` and, where there is one, `hint:`; gives the exit code. A bug's own words are shown, since only they help. */
export function reportError(error: unknown, stderr: Writable): number {
  if (isBug(error)) {
    const words = error instanceof Error ? (error.stack ?? error.message) : String(error)
    stderr.write(`error: internal error: ${printableLines(words)}\n`)
    stderr.write('hint: this is a bug in tarn; please report it with the lines above\n')
    return EXIT.bug
  }
  const { message, hint, exitCode } = error as Error & { hint?: unknown; exitCode?: unknown }
  stderr.write(`error: ${printableLines(message)}\n`)
  const advice = typeof hint === 'string' ? hint : adviseOn(error as NodeJS.ErrnoException)
  if (advice !== undefined) stderr.write(`hint: ${printableLines(advice)}\n`)
  return typeof exitCode === 'number' ? exitCode : EXIT.failed
}

/**
 * Keeps a reader that goes away (`tarn … | head`) from ending the command; any other failure to write, such as a full
 * disk, goes to `onFailure`.
 */
export function toleratePipe(stream: Writable, onFailure: (error: Error) => void): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') onFailure(error)
  })
}

// What a person can put right says so by a hint or a code of the system; all else is our own mistake.
function isBug(error: unknown): boolean {
  if (!(error instanceof Error)) return true
  if (error instanceof RegistryError || 'hint' in error) return false
  return typeof (error as NodeJS.ErrnoException).syscall !== 'string'
}

function adviseOn(error: NodeJS.ErrnoException & { port?: number; hostname?: string }): string | undefined {
  const { code, path, port, hostname, syscall } = error
  const uid = process.getuid?.() ?? 0
  if (code === 'EACCES' && syscall === 'listen' && port !== undefined && port > 0) {
    return `ports below 1024 need a right that uid ${uid} lacks: take a higher port, or grant CAP_NET_BIND_SERVICE`
  }
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return `uid ${uid} may not do that; give it the right: chown ${uid} ${path ?? 'FILE'}`
    case 'ENOENT':
      return 'check the path'
    case 'EEXIST':
    case 'ENOTDIR':
      return `a file stands where a directory must be; name another directory than ${path ?? 'this'}, or move the file away`
    case 'EADDRNOTAVAIL':
      return 'this machine has no such address (see them with: ip address); write one that it has, or :PORT for all'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'ENODATA':
      return `this machine knows no address of ${hostname ?? 'that name'}; write an IP address that it has, or :PORT for all`
    case 'EROFS':
      return 'the file system is read-only'
    case 'ENOSPC':
      return 'the disk is full'
    case 'EADDRINUSE':
      return 'another program listens there; stop it or choose another address with --listen HOST:PORT'
    default:
      return undefined
  }
}
