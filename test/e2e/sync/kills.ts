// kill -9 at random moments of a sync, and again: there are only whole images at any time, and hardly a byte comes twice.
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Source } from './scene.ts'
import { countHere, makeSyncHome, require, requireSound, SCALE, UP } from './scene.ts'

const KILLS = Number(process.env['TARN_E2E_SYNC_KILLS'] ?? 10)
const MOST = 1.05
/** What may be on its way to the disk at the moment of a kill; at full scale it is nothing beside the rest. */
const IN_FLIGHT = 512 * 1024

export async function checkKills(context: E2EContext, recorder: Recorder, source: Source): Promise<void> {
  const home = await makeSyncHome(context)
  const relay = await source.relay()
  const { planted } = source
  await home.write(relay.url, [`{from: ${UP}, to: lab, repositories: ["team/**"]}`])
  await recorder.check(
    `kill -9, ${KILLS} times: only whole images, and at the end all for ${MOST} of the bytes`,
    async () => {
      relay.shape(SCALE.line)
      const spans: number[] = []
      for (let kill = 0; kill < KILLS; kill += 1) {
        const run = home.start()
        // Each run gets its part of what is left, wherever that begins.
        const aim =
          relay.bytesOf('/blobs/') +
          ((planted.bytes - relay.bytesOf('/blobs/')) * Math.random() * 2) / (KILLS - kill + 1)
        await Promise.race([
          relay.reached('/blobs/', Math.min(aim, planted.bytes)),
          run.waitFor(/fetched: /, 1_800_000),
        ])
        await run.stop('SIGKILL')
        spans.push(Math.round(relay.bytesOf('/blobs/') / 1e6))
        // A tag is the last that is written: what it leads to must be there.
        await countHere(home, planted)
        if (kill % 5 === 4) await requireSound(home)
      }
      relay.shape(undefined)
      const { report } = await home.sync([0])
      const read = relay.bytesOf('/blobs/')
      context.progress(
        `killed after ${spans.join(', ')} MB; ${(read / planted.bytes).toFixed(4)} × the bytes; the last run fetched ${report.bytes}`,
      )
      require((await countHere(home, planted)) === SCALE.images, 'not all tags are here')
      await requireSound(home)
      require(read <= MOST * planted.bytes + KILLS * IN_FLIGHT, `${read} bytes of blobs for ${planted.bytes}`)
    },
  )
}
