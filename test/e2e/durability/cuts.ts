// Power cuts: Tarn on a loop-mounted ext4 or xfs whose power goes. Two kinds, in turn: under load at a random
// moment, and one act alone with the cut at once after its answer. The second is the sharp one: under load the
// fsyncs of other writers hide a missing one (0.2-0.4 % of acknowledgements lost against 25-30 %).
import { join } from 'node:path'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { demand, fillPool, loadUntil, makeDesks } from './desks.ts'
import { Ledger } from './ledger.ts'
import type { FileSystem, LoopDisk } from './loop-disk.ts'
import { makeLoopDisk, whyNoLoopDisk } from './loop-disk.ts'
import type { Random } from './random.ts'
import { makeRandom } from './random.ts'
import { scrub } from './scrub.ts'
import type { Served } from './serve.ts'
import { serve, writeConfig } from './serve.ts'
import type { Act } from './writers.ts'
import * as acts from './writers.ts'

export interface CutOptions {
  /** Cuts of each file system. */
  readonly cuts: number
  readonly seed: string
}

interface Field {
  readonly context: E2EContext
  readonly disk: LoopDisk
  readonly ledger: Ledger
  readonly random: Random
  readonly configFile: string
  readonly leaveOut: readonly string[] | undefined
}

// What comes before the last act only prepares it.
const ISOLATED: readonly (readonly Act[])[] = [
  [acts.pushALayer],
  [acts.pushAnImage],
  [acts.mount],
  [acts.pushAnImage, acts.deleteATag],
  [acts.pushAnImage, acts.deleteAManifest],
  [acts.pushALooseBlob, acts.deleteALooseBlob],
]

// Cuts after which a server without directory fsyncs must have lost something.
const MUTANT_TRIES = 12

/** Adds for each file system a row for the cuts and one for a seeded bug that they must see. */
export async function checkCuts(context: E2EContext, recorder: Recorder, options: CutOptions): Promise<void> {
  for (const kind of ['ext4', 'xfs'] as const) {
    const whole = `power cut: ${options.cuts} cuts on ${kind} lose nothing (seed ${options.seed})`
    const mutant = `power cut: sees on ${kind} that the directory of a link was not fsynced`
    const reason = await whyNoLoopDisk(context, kind)
    if (reason !== undefined) {
      recorder.skip(whole, reason)
      recorder.skip(mutant, reason)
      continue
    }
    await recorder.check(whole, async () => {
      const field = await openField(context, kind, options.seed)
      for (let cut = 0; cut < options.cuts; cut++) await cutOnce(field, cut, cut % 2 === 0 ? 'isolated' : 'load')
      await askAtTheEnd(field)
      context.progress(`power cut: ${kind}, ${field.ledger.acks} changes acknowledged`)
    })
    await recorder.check(mutant, async () => {
      const field = await openField(context, kind, options.seed, ['link directory'])
      const lost = await findLoss(field)
      if (lost === undefined) throw new Error(`${MUTANT_TRIES} cuts took nothing from a server without this fsync`)
      context.progress(`power cut: ${kind}, seeded bug seen: ${lost}`)
    })
  }
}

async function openField(
  context: E2EContext,
  kind: FileSystem,
  seed: string,
  leaveOut?: readonly string[],
): Promise<Field> {
  const disk = await makeLoopDisk(context, kind)
  const configFile = await writeConfig(context, join(disk.mountPoint, 'data'))
  const random = makeRandom(`${seed} ${kind}`)
  return { context, disk, ledger: new Ledger(), random, configFile, leaveOut }
}

// One server life: asked for everything, loaded, cut off, and its disk brought back as after a power cut.
async function cutOnce(field: Field, cut: number, manner: 'isolated' | 'load'): Promise<void> {
  const { disk, ledger, random } = field
  const served = await start(field)
  if (cut === 0) await fillPool(served, ledger, random)
  await demand(served, ledger, ledger.names(), `before cut ${cut}`)
  const end = async (): Promise<void> => {
    ledger.isDying = true
    await disk.cut()
    await served.kill('SIGKILL')
  }
  if (manner === 'load') await loadUntil(served, makeDesks(ledger, random), { number: cut, ledger, random, end })
  else await actAlone(field, served, cut, end)
  ledger.isDying = false
  await disk.unmount()
  // The first mount replays the journal; only then can a checker judge the file system.
  await disk.mount()
  await disk.unmount()
  await disk.verify()
  await disk.mount()
  const { problems } = await scrub(join(disk.view, 'data'))
  if (problems.length > 0) throw new Error(`after cut ${cut}: ${problems.slice(0, 5).join('; ')}`)
}

async function actAlone(field: Field, served: Served, cut: number, end: () => Promise<void>): Promise<void> {
  const [openDesk] = makeDesks(field.ledger, field.random)
  if (openDesk === undefined) return
  // A repository of its own each time: that makes the most new directories.
  const desk = { ...openDesk(served.origin, cut), repository: `alone/cut${cut}` }
  for (const act of ISOLATED[Math.floor(cut / 2) % ISOLATED.length] ?? []) {
    if (!(await act(desk))) throw new Error(`cut ${cut}: ${field.ledger.faults.join('; ') || 'no answer'}`)
  }
  await end()
  desk.client.close()
}

async function askAtTheEnd({ ledger, ...field }: Field): Promise<void> {
  const served = await start({ ledger, ...field })
  await demand(served, ledger, ledger.names(), 'after the last cut')
  await served.kill('SIGTERM')
  await field.disk.unmount()
}

/** What the seeded bug lost, in words; undefined when it was not seen. */
async function findLoss(field: Field): Promise<string | undefined> {
  try {
    for (let cut = 0; cut < MUTANT_TRIES; cut++) await cutOnce(field, cut, 'isolated')
    await askAtTheEnd(field)
  } catch (error) {
    const { message } = error as Error
    // Anything else, such as a server that does not start, is no proof.
    if (!message.includes('acknowledged')) throw error
    return message
  }
  return undefined
}

function start({ context, disk, configFile, leaveOut }: Field): Promise<Served> {
  const { prefix } = disk
  return serve(context, configFile, leaveOut === undefined ? { prefix } : { prefix, leaveOut })
}
