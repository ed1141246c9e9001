// kill -9 under load: eight writers, a server that dies at a random moment, the next one on the same directory
// asked for everything that was acknowledged. One server life a round: it is first asked, then loaded.
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { WRITERS, demand, fillPool, loadUntil, makeDesks } from './desks.ts'
import type { Name } from './ledger.ts'
import { Ledger } from './ledger.ts'
import type { Random } from './random.ts'
import { makeRandom } from './random.ts'
import { scrub } from './scrub.ts'
import { serve, writeConfig } from './serve.ts'

// Old names asked for in each round; all of them are after the last.
const SAMPLE = 100

export interface KillOptions {
  readonly rounds: number
  readonly seed: string
}

/** Adds one row for all rounds and one for the scrub of the disk afterwards. */
export async function checkKills(context: E2EContext, recorder: Recorder, options: KillOptions): Promise<void> {
  const { rounds, seed } = options
  const data = await context.machine.scratch('kill')
  const ledger = new Ledger()
  await recorder.check(`kill -9: ${rounds} rounds under ${WRITERS} writers lose nothing (seed ${seed})`, async () => {
    await killAgainAndAgain(context, data, ledger, options)
    // Fewer would mean that the load, not the store, is what was tested.
    if (ledger.acks < rounds * 10) throw new Error(`only ${ledger.acks} changes were acknowledged in ${rounds} rounds`)
  })
  await recorder.check(`kill -9: no blob on disk has a wrong digest after ${ledger.acks} changes`, async () => {
    const { blobs, problems } = await scrub(data)
    if (problems.length > 0) throw new Error(problems.slice(0, 5).join('; '))
    if (blobs === 0) throw new Error('found no blob to hash')
  })
}

async function killAgainAndAgain(
  context: E2EContext,
  data: string,
  ledger: Ledger,
  options: KillOptions,
): Promise<void> {
  const configFile = await writeConfig(context, data)
  const random = makeRandom(options.seed)
  const desks = makeDesks(ledger, random)
  let written: Name[] = []
  for (let round = 0; round < options.rounds; round++) {
    const served = await serve(context, configFile)
    if (round === 0) await fillPool(served, ledger, random)
    await demand(served, ledger, [...written, ...sample(ledger.names(), random)], `round ${round}`)
    written = await loadUntil(served, desks, { number: round, ledger, random, end: () => served.kill('SIGKILL') })
    if (round % 20 === 0) context.progress(`kill -9: round ${round}, ${ledger.acks} changes acknowledged`)
  }
  const served = await serve(context, configFile)
  await demand(served, ledger, ledger.names(), 'after the last round')
  await served.kill('SIGTERM')
}

function sample(names: readonly Name[], random: Random): Name[] {
  return names.length === 0 ? [] : Array.from({ length: SAMPLE }, () => names[random.number(names.length)] as Name)
}
