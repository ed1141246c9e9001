#!/usr/bin/env node
// The process: arguments in, exit code out. What nobody caught ends it at once, since its state is unknown then.
import { randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'
import { EXIT } from './cli/output.ts'
import { runProgram } from './cli/program.ts'

process.on('uncaughtException', dieOf)
process.on('unhandledRejection', dieOf)

process.exitCode = await runProgram(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  clock: Date.now,
  random: randomBytes,
})

function dieOf(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  try {
    // Synchronous: nothing that is only queued would still be written.
    writeSync(2, `error: internal error: ${text}\nhint: this is a bug in tarn; please report it with the lines above\n`)
  } finally {
    process.exit(EXIT.bug)
  }
}
