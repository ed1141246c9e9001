// What happens to the data directory behind a running server's back: tars that extract under it and are taken from
// it (I2), bytes that rot (I5), a second server (I11), disks that fill up or turn read-only. Larger or smaller tars:
// TARN_E2E_TAR_MB; a run again: TARN_E2E_SEED.
import { randomBytes } from 'node:crypto'
import type { E2EContext, Row } from './helpers/suite.ts'
import { makeRecorder } from './helpers/suite.ts'
import { checkCorruption } from './tar/corrupt.ts'
import { checkEqualMtimes } from './tar/equal-mtimes.ts'
import { checkExtraction } from './tar/extract.ts'
import { checkFullDisk } from './tar/full-disk.ts'
import { checkKeepers } from './tar/keepers.ts'
import { checkLiveTar } from './tar/live.ts'

export const name = 'tar'

const MEGABYTES = 1024

/** Runs all parts; a part that this machine cannot run is a skipped row with its reason. */
export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  const seed = process.env['TARN_E2E_SEED'] ?? randomBytes(4).toString('hex')
  const megabytes = Number(process.env['TARN_E2E_TAR_MB'] ?? MEGABYTES)
  if (!Number.isSafeInteger(megabytes) || megabytes < 1) throw new Error('TARN_E2E_TAR_MB is no count of megabytes')
  context.progress(`tar: seed ${seed}`)
  await checkEqualMtimes(context, recorder)
  await checkLiveTar(context, recorder, seed)
  await checkCorruption(context, recorder, seed)
  await checkKeepers(context, recorder)
  await checkFullDisk(context, recorder)
  await checkExtraction(context, recorder, { megabytes, seed })
  return recorder.rows
}
