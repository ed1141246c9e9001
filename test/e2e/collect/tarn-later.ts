// The command `tarn` an hour from now: a repair sets no blob aside that changed within the last ten minutes, because a tar
// may still be writing it, and nobody can give a file an older ctime. Never part of the product.
import { randomBytes } from 'node:crypto'
import { runProgram } from '../../../src/cli/program.ts'

const HOUR_MS = 3_600_000

process.exitCode = await runProgram(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  clock: () => Date.now() + HOUR_MS,
  random: randomBytes,
})
