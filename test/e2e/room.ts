// A small disk that is filled to its last byte and inode again and again under a running server: pulls and deletes
// never fail, whatever else is asked is done or refused with 503 before its body, and what was freed counts at once,
// without a restart. A run again: TARN_E2E_SEED.
import { randomBytes } from 'node:crypto'
import type { E2EContext, Row } from './helpers/suite.ts'
import { makeRecorder } from './helpers/suite.ts'
import { fillInBodies } from './room/in-body.ts'
import { restartWhenFull } from './room/restart.ts'
import { fillUnderLoad } from './room/under-load.ts'

export const name = 'room'

const ROUNDS = 50
const BODIES = 10

/** Runs all parts; without root there is no disk to fill, which is a skipped row. */
export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  const seed = process.env['TARN_E2E_SEED'] ?? randomBytes(4).toString('hex')
  const checks = [
    [
      `filled to the last byte and inode ${ROUNDS} times under load: pulls and deletes never fail, no 5xx but 503`,
      () => fillUnderLoad(context, seed, ROUNDS),
    ],
    [
      `filled ${BODIES} times in the middle of a body: 503, the space is given back, the same upload goes on`,
      () => fillInBodies(context, seed, BODIES),
    ],
    [
      'started on a full disk: it serves, deletes and is collected, with a server and without one',
      () => restartWhenFull(context, seed),
    ],
  ] as const
  context.progress(`room: seed ${seed}`)
  for (const [row, act] of checks) {
    if (process.getuid?.() === 0) await recorder.check(row, act)
    else recorder.skip(row, 'needs root for mounts')
  }
  return recorder.rows
}
