// Collection while serving (I6), shown four ways: by a soak with short leases in which collections never pause, by seeded
// bugs that it must see, by comparison with brute force on directories that registry:2 wrote, and by kill -9 at the
// system calls of a collection and of a repair. Longer runs: TARN_E2E_SOAK (seconds), TARN_E2E_DIRS (directories),
// TARN_E2E_KILL_POINTS=all, TARN_E2E_SEED.
import { randomBytes } from 'node:crypto'
import { checkSoak } from './collect/check-soak.ts'
import { checkEquals } from './collect/equals.ts'
import { checkKillPoints } from './collect/kills.ts'
import { checkMutants } from './collect/mutants.ts'
import { checkPulls } from './collect/pulls.ts'
import type { E2EContext, Row } from './helpers/suite.ts'
import { makeRecorder } from './helpers/suite.ts'

export const name = 'collect'

const SOAK_SECONDS = 60
const DIRECTORIES = 20
// Milliseconds for the kill points of one command.
const KILLING_MS = 45_000

export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  const seed = process.env['TARN_E2E_SEED'] ?? randomBytes(4).toString('hex')
  const figures = await checkSoak(context, recorder, readCount('TARN_E2E_SOAK', SOAK_SECONDS), seed)
  await checkMutants(context, recorder, seed)
  const totals = await checkEquals(context, recorder, readCount('TARN_E2E_DIRS', DIRECTORIES), seed)
  await checkKillPoints(context, recorder, process.env['TARN_E2E_KILL_POINTS'] === 'all' ? Infinity : KILLING_MS)
  await checkPulls(context, recorder)
  if (figures !== undefined) context.progress(figures)
  context.progress(`brute force: ${JSON.stringify(totals)}`)
  return recorder.rows
}

function readCount(variable: string, otherwise: number): number {
  const text = process.env[variable]
  if (text === undefined) return otherwise
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1) throw new Error(`${variable}=${text} is no count`)
  return count
}
