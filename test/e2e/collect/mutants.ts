// The tests of the soak itself: each protection of collection is left out in turn, and the moment at which it is the only
// one must then go wrong; with all of them in place it must not.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { makeRandom } from '../durability/random.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Focus, Outcome } from './focused.ts'
import { askThenPush, pushSlowly, unpackSlowly } from './focused.ts'
import type { Mutant } from './mutant-names.ts'
import { MUTANTS } from './mutant-names.ts'
import { serveCollecting } from './serve.ts'

interface Moment {
  readonly name: string
  readonly focus: Focus
  /** Milliseconds. */
  readonly lease: number
  readonly grace: number
  readonly mutants: readonly Mutant[]
}

const MOMENTS: readonly Moment[] = [
  {
    name: 'a promise that outlives the age of its link',
    focus: askThenPush,
    // A collection must fit into a part of it on a busy machine as well.
    lease: 3000,
    grace: 3000,
    // Two protections overlap here: the lease, and the ctime of the link, which a promise renews. With one of them left
    // out the other holds, so those mutants are shown in test/registry/collect-races.ts, where time stands still.
    mutants: [],
  },
  {
    name: 'a push that takes longer than a lease',
    focus: pushSlowly,
    lease: 300,
    grace: 60_000,
    mutants: ['no shared lock'],
  },
  {
    name: 'a tar that skips a blob which is then collected',
    focus: unpackSlowly,
    lease: 300,
    grace: 60_000,
    mutants: ['no restore'],
  },
]

// What must not happen is waited for a while, what must happen until it does.
const WHOLE_MS = 12_000
const MUTANT_MS = 90_000

/** Adds a row for each moment with the whole server, and one for each mutant. */
export async function checkMutants(context: E2EContext, recorder: Recorder, seed: string): Promise<void> {
  for (const moment of MOMENTS) {
    await recorder.check(`collection: ${moment.name} breaks no promise`, async () => {
      const { tried, complaints } = await run(context, moment, seed)
      if (complaints.length > 0) throw new Error(complaints.slice(0, 5).join('; '))
      if (tried === 0) throw new Error('the moment was never there')
      context.progress(`${moment.name}: ${tried} times`)
    })
    for (const mutant of moment.mutants) {
      await recorder.check(`collection: the mutant "${mutant}" is caught (${MUTANTS[mutant]})`, async () => {
        const { tried, complaints } = await run(context, moment, seed, mutant)
        if (complaints.length === 0) throw new Error(`it passed ${tried} times`)
        context.progress(`${mutant}: ${complaints[0]}`)
      })
    }
  }
}

async function run(
  context: E2EContext,
  { focus, lease, grace }: Moment,
  seed: string,
  mutant?: Mutant,
): Promise<Outcome> {
  const data = join(await context.machine.scratch('moment'), 'data')
  await mkdir(data)
  const server = await serveCollecting(context, data, { lease, grace, ...(mutant === undefined ? {} : { mutant }) })
  try {
    const patience = mutant === undefined ? WHOLE_MS : MUTANT_MS
    return await focus({ context, server, lease, patience, random: makeRandom(`${seed} ${mutant ?? ''}`) })
  } finally {
    await server.stop()
  }
}
