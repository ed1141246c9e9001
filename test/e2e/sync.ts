// `tarn sync` seen from outside, with the real registry:2 as upstream behind a relay that counts, slows and breaks what goes
// through. OC names an oc that is not in the PATH. At full scale:
// TARN_E2E_SYNC_IMAGES=200 TARN_E2E_SYNC_MIB=4096 TARN_E2E_SYNC_KILLS=20 npm run e2e -- sync
import type { E2EContext, Row } from './helpers/suite.ts'
import { makeRecorder } from './helpers/suite.ts'
import { checkBroken, checkDeath } from './sync/broken.ts'
import { checkElsewhere } from './sync/elsewhere.ts'
import { checkFullDisk } from './sync/full-disk.ts'
import { checkKills } from './sync/kills.ts'
import { plantExtras } from './sync/extras.ts'
import { startSource } from './sync/scene.ts'
import { checkWhole } from './sync/whole.ts'

export const name = 'sync'

export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  const source = await startSource(context.machine, plantExtras)
  await checkWhole(context, recorder, source)
  // It waits a minute for an upstream that is gone: the others go on meanwhile.
  const death = checkDeath(context, recorder, source)
  await checkKills(context, recorder, source)
  await checkBroken(context, recorder, source)
  await checkFullDisk(context, recorder, source)
  await checkElsewhere(context, recorder, source)
  await death
  return recorder.rows
}
