// Collection while serving (I6), shown four ways: by a soak with short leases in which collections never pause, by seeded
// bugs that it must see, by comparison with brute force on directories that registry:2 wrote, and by kill -9 at the
// system calls of a collection and of a repair. Longer runs: TARN_E2E_SOAK (seconds), TARN_E2E_DIRS (directories),
// TARN_E2E_KILL_POINTS=all, TARN_E2E_SEED; TARN_E2E_PARTS=soak,mutants,equals,kills,pulls runs some of them alone.
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

const PARTS = ['soak', 'mutants', 'equals', 'kills', 'pulls']

export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  const seed = process.env['TARN_E2E_SEED'] ?? randomBytes(4).toString('hex')
  const parts = readParts()
  const notes: (string | undefined)[] = []
  if (parts.has('soak')) {
    notes.push(await checkSoak(context, recorder, readCount('TARN_E2E_SOAK', SOAK_SECONDS), seed))
  }
  if (parts.has('mutants')) await checkMutants(context, recorder, seed)
  if (parts.has('equals')) {
    const totals = await checkEquals(context, recorder, readCount('TARN_E2E_DIRS', DIRECTORIES), seed)
    notes.push(`brute force: ${JSON.stringify(totals)}`)
  }
  if (parts.has('kills')) {
    await checkKillPoints(context, recorder, process.env['TARN_E2E_KILL_POINTS'] === 'all' ? Infinity : KILLING_MS)
  }
  if (parts.has('pulls')) await checkPulls(context, recorder)
  for (const note of notes) if (note !== undefined) context.progress(note)
  return recorder.rows
}

function readParts(): ReadonlySet<string> {
  const wanted = process.env['TARN_E2E_PARTS']?.split(',') ?? PARTS
  const stranger = wanted.find((part) => !PARTS.includes(part))
  if (stranger !== undefined) throw new Error(`TARN_E2E_PARTS=${stranger} is none of ${PARTS.join(', ')}`)
  return new Set(wanted)
}

function readCount(variable: string, otherwise: number): number {
  const text = process.env[variable]
  if (text === undefined) return otherwise
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1) throw new Error(`${variable}=${text} is no count`)
  return count
}
