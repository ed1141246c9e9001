#!/usr/bin/env node
// The process: arguments in, exit code out. What nobody caught ends it at once, since its state is unknown then.
// Nothing is imported before the Node is known to be new enough: an old one fails at the first import it does not know.
import { randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'

const [OLDEST_MAJOR, OLDEST_MINOR] = [24, 12]
// EX_SOFTWARE of sysexits, as in cli/output.ts.
const EXIT_BUG = 70

process.on('uncaughtException', dieOf)
process.on('unhandledRejection', dieOf)
refuseOldNode(process.versions.node)

const { runProgram } = await import('./cli/program.ts')
process.exitCode = await runProgram(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  clock: Date.now,
  random: randomBytes,
})

function refuseOldNode(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > OLDEST_MAJOR || (major === OLDEST_MAJOR && minor >= OLDEST_MINOR)) return
  const needed = `${OLDEST_MAJOR}.${OLDEST_MINOR}`
  writeSync(2, `error: tarn needs Node ${needed} or newer, and this is Node ${version} (${process.execPath})\n`)
  writeSync(
    2,
    'hint: run it with a newer one; npm has put one at node_modules/.bin/node, which npm scripts and npx use\n',
  )
  process.exit(1)
}

function dieOf(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  try {
    // Synchronous: nothing that is only queued would still be written.
    writeSync(2, `error: internal error: ${text}\nhint: this is a bug in tarn; please report it with the lines above\n`)
  } finally {
    process.exit(EXIT_BUG)
  }
}
