// The mirror seen from outside: the real registry:2 as upstream behind a relay that counts, slows and breaks what goes
// through, and real clients in front. Full sizes: TARN_E2E_MIRROR_MIB=512 TARN_E2E_MIRROR_IMAGES=20.
import type { E2EContext, Recorder, Row } from './helpers/suite.ts'
import { makeRecorder } from './helpers/suite.ts'
import { checkBroken } from './mirror/broken.ts'
import { checkCarried } from './mirror/carried.ts'
import { checkEngines } from './mirror/engines.ts'
import { checkFlights } from './mirror/flights.ts'
import { checkFresh } from './mirror/fresh.ts'
import { checkPushes } from './mirror/pushed.ts'
import { apart } from './mirror/scene.ts'
import { checkShapes } from './mirror/shapes.ts'
import { checkSilent } from './mirror/silent.ts'

export const name = 'mirror'

export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  const parts: Readonly<Record<string, (context: E2EContext, recorder: Recorder) => Promise<void>>> = {
    flights: checkFlights,
    broken: checkBroken,
    fresh: checkFresh,
    pushed: checkPushes,
    carried: checkCarried,
    engines: checkEngines,
    shapes: checkShapes,
    silent: checkSilent,
  }
  const only = process.env['TARN_E2E_MIRROR_ONLY']?.split(',')
  for (const [part, check] of Object.entries(parts)) {
    if (only === undefined || only.includes(part)) await apart(context, (own) => check(own, recorder))
  }
  return recorder.rows
}
