// kill -9 at random moments of a sync, and again: there are only whole images at any time, and hardly a byte comes twice.
// Of the command that works in the directory itself, and of the registry that syncs because a command asked it to.
import type { Relay } from '../mirror/relay.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Source, SyncHome } from './scene.ts'
import { countHere, makeSyncHome, require, requireSound, SCALE, UP } from './scene.ts'

const KILLS = Number(process.env['TARN_E2E_SYNC_KILLS'] ?? 10)
const SERVING_KILLS = Number(process.env['TARN_E2E_SYNC_KILLS'] ?? 4)
const MOST = 1.05
/** What may be on its way to the disk at the moment of a kill; at full scale it is nothing beside the rest. */
const IN_FLIGHT = 512 * 1024
const LONGEST_MS = 1_800_000

interface Status {
  readonly others: readonly { readonly outcome: string }[]
}

export async function checkKills(context: E2EContext, recorder: Recorder, source: Source): Promise<void> {
  const { planted } = source
  await recorder.check(
    `kill -9, ${KILLS} times: only whole images, and at the end all for ${MOST} of the bytes`,
    async () => {
      const { home, relay } = await setScene(context, source)
      const spans: number[] = []
      for (let kill = 0; kill < KILLS; kill += 1) {
        const run = home.start()
        await Promise.race([reachPart(relay, source, KILLS - kill), run.waitFor(/fetched: /, LONGEST_MS)])
        await run.stop('SIGKILL')
        spans.push(Math.round(relay.bytesOf('/blobs/') / 1e6))
        // A tag is the last that is written: what it leads to must be there.
        await countHere(home, planted)
        if (kill % 5 === 4) await requireSound(home)
      }
      relay.shape(undefined)
      const { report } = await home.sync([0])
      context.progress(`killed after ${spans.join(', ')} MB; the last run fetched ${report.bytes}`)
      await requireAll(home, relay, source, KILLS)
      await home.drop()
    },
  )
  await recorder.check(
    `kill -9 of the registry that syncs, ${SERVING_KILLS} times: the command says so, the next run goes on, all for ${MOST} of the bytes`,
    async () => {
      const { home, relay } = await setScene(context, source)
      const spans: number[] = []
      for (let kill = 0; kill < SERVING_KILLS; kill += 1) {
        const registry = await home.serve()
        const run = home.start()
        await Promise.race([reachPart(relay, source, SERVING_KILLS - kill), run.waitFor(/fetched: /, LONGEST_MS)])
        const isOver = /fetched: /.test(run.log())
        await registry.stop('SIGKILL')
        if (!isOver) await run.waitFor(/the registry ended before its work did|fetched: /)
        await run.stop()
        spans.push(Math.round(relay.bytesOf('/blobs/') / 1e6))
        await countHere(home, planted)
        if (isOver) continue
        const { text } = await home.tarn(['--json', 'sync', '--status'])
        const [last] = (JSON.parse(text) as Status).others
        require(last?.outcome === 'cutOff', `the last run ${last?.outcome}`)
      }
      relay.shape(undefined)
      const registry = await home.serve()
      const { report } = await home.sync([0])
      context.progress(`killed after ${spans.join(', ')} MB; the last run fetched ${report.bytes}`)
      await requireAll(home, relay, source, SERVING_KILLS)
      await registry.stop()
      await home.drop()
    },
  )
}

async function setScene(context: E2EContext, source: Source): Promise<{ home: SyncHome; relay: Relay }> {
  const home = await makeSyncHome(context)
  const relay = await source.relay()
  await home.write(relay.url, [`{from: ${UP}, to: lab, repositories: ["team/**"]}`])
  relay.shape(SCALE.line)
  return { home, relay }
}

// Each run gets its part of what is left, wherever that begins.
async function reachPart(relay: Relay, { planted }: Source, runs: number): Promise<void> {
  const read = relay.bytesOf('/blobs/')
  const aim = read + ((planted.bytes - read) * Math.random() * 2) / (runs + 1)
  await relay.reached('/blobs/', Math.min(aim, planted.bytes))
}

async function requireAll(home: SyncHome, relay: Relay, { planted }: Source, kills: number): Promise<void> {
  require((await countHere(home, planted)) === SCALE.images, 'not all tags are here')
  await requireSound(home)
  const read = relay.bytesOf('/blobs/')
  require(read <= MOST * planted.bytes + kills * IN_FLIGHT, `${read} bytes of blobs for ${planted.bytes}`)
}
