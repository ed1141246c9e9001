// I3, durable before acknowledged, shown four ways: by system calls (every fsync is there before the answer
// leaves), by kill -9 under load, by power cuts on real file systems, and by seeded bugs that each of these
// must see. Longer runs: TARN_E2E_KILLS, TARN_E2E_CUTS (a file system), TARN_E2E_SEED.
import { randomBytes } from 'node:crypto'
import { checkCuts } from './durability/cuts.ts'
import { checkKills } from './durability/kills.ts'
import { checkBySystemCalls } from './durability/strace.ts'
import type { E2EContext, Row } from './helpers/suite.ts'
import { makeRecorder } from './helpers/suite.ts'

export const name = 'durability'

const KILLS = 100
const CUTS = 25

/** Runs all four; a part that this machine cannot run is a skipped row with its reason. */
export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  const seed = process.env['TARN_E2E_SEED'] ?? randomBytes(4).toString('hex')
  await checkBySystemCalls(context, recorder)
  await checkKills(context, recorder, { rounds: readCount('TARN_E2E_KILLS', KILLS), seed })
  await checkCuts(context, recorder, { cuts: readCount('TARN_E2E_CUTS', CUTS), seed })
  return recorder.rows
}

function readCount(variable: string, otherwise: number): number {
  const text = process.env[variable]
  if (text === undefined) return otherwise
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1) throw new Error(`${variable}=${text} is no count`)
  return count
}
