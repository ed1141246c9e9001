// kill -9 under load: eight writers, a server that dies at a random moment, the next one on the same directory
// asked for everything that was acknowledged. One server life a round: it is first checked, then loaded.
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { connectTo } from './client.ts'
import type { Name } from './ledger.ts'
import { Ledger } from './ledger.ts'
import { digestOf, pushBlob } from './push.ts'
import type { Random } from './random.ts'
import { makeRandom } from './random.ts'
import { scrub } from './scrub.ts'
import type { Served } from './serve.ts'
import { serve, writeConfig } from './serve.ts'
import type { Desk } from './writers.ts'
import { write } from './writers.ts'

const WRITERS = 8
// Repositories a writer goes through, so that both fresh and old ones are being written when it ends.
const REPOSITORIES = 10
// Old names looked at again in each round; all of them are after the last.
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
    const configFile = await writeConfig(context, data)
    const random = makeRandom(seed)
    const desks = await openDesks(context, configFile, ledger, random)
    const fresh = new Set<Name>()
    for (let round = 0; round <= rounds; round++) {
      const served = await serve(context, configFile)
      const isLast = round === rounds
      const names = isLast ? ledger.names() : [...fresh, ...sample(ledger.names(), random)]
      const known = new Set(ledger.names())
      const problems = await askFor(served, ledger, names)
      if (problems.length > 0) throw new Error(`round ${round}: ${problems.slice(0, 5).join('; ')}`)
      fresh.clear()
      if (!isLast) {
        const touched = await loadAndKill(served, desks, random, round)
        for (const name of ledger.names())
          if (!known.has(name) || touched.has(name.split(' ')[1] ?? '')) fresh.add(name)
      } else await served.kill('SIGTERM')
      if (ledger.faults.length > 0) throw new Error(`round ${round}: ${ledger.faults.slice(0, 5).join('; ')}`)
      if (round % 20 === 0) context.progress(`kill -9: round ${round}, ${ledger.acks} acknowledged changes`)
    }
    // Fewer would mean that the load, not the store, is what was tested.
    if (ledger.acks < rounds * 20) throw new Error(`only ${ledger.acks} changes were acknowledged in ${rounds} rounds`)
  })
  await recorder.check(
    `kill -9: no blob on disk has a wrong digest after ${ledger.acks} acknowledged changes`,
    async () => {
      const { blobs, problems } = await scrub(data)
      if (problems.length > 0) throw new Error(problems.slice(0, 5).join('; '))
      if (blobs === 0) throw new Error('found no blob to hash')
    },
  )
}

type OpenDesk = (origin: string, round: number) => Desk

// What a writer keeps from life to life; the repository of writer w goes round a few names.
async function openDesks(context: E2EContext, configFile: string, ledger: Ledger, random: Random): Promise<OpenDesk[]> {
  const served = await serve(context, configFile)
  const client = connectTo(served.origin)
  for (let at = 0; at < 10; at++) {
    const bytes = random.bytes(1000 + at)
    const digest = digestOf(bytes)
    const change = { name: `blob pool ${digest}` as const, state: digest }
    await ledger.attempt([change], 201, () => pushBlob(client, 'pool', bytes))
  }
  client.close()
  await served.kill('SIGTERM')
  return Array.from({ length: WRITERS }, (_, writer) => {
    const own = {
      random: makeRandom(`${writer} ${random.number(2 ** 32)}`),
      manifests: new Map<string, Buffer>(),
      loose: new Set<string>(),
    }
    return (origin, round) => ({
      ...own,
      ledger,
      client: connectTo(origin),
      neighbour: 'pool',
      repository: `writer${writer}/app${round % REPOSITORIES}`,
    })
  })
}

async function askFor(served: Served, ledger: Ledger, names: readonly Name[]): Promise<string[]> {
  const client = connectTo(served.origin)
  try {
    return await ledger.check(client, names)
  } finally {
    client.close()
  }
}

/** Gives the repositories that were written to. */
async function loadAndKill(
  served: Served,
  desks: readonly OpenDesk[],
  random: Random,
  round: number,
): Promise<Set<string>> {
  const open = desks.map((openDesk) => openDesk(served.origin, round))
  const stop = new AbortController()
  const writers = Promise.all(open.map((desk) => write(desk, stop.signal)))
  await Promise.race([writers, delay(50 + random.number(400))])
  await served.kill('SIGKILL')
  stop.abort()
  await writers
  for (const desk of open) desk.client.close()
  return new Set(open.map((desk) => desk.repository))
}

function sample(names: readonly Name[], random: Random): Name[] {
  return names.length === 0 ? [] : Array.from({ length: SAMPLE }, () => names[random.number(names.length)] as Name)
}

/** The moment of the kill is the subject here, not a wait for something. */
function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
