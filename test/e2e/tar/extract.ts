// I2 and I5 by load: a tar of a gigabyte extracts under a running server, again and again, while readers and
// writers are at work; nothing wrong is ever served whole, and afterwards everything is there.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { connectTo } from '../durability/client.ts'
import { demand, fillPool, makeDesks } from '../durability/desks.ts'
import { Ledger } from '../durability/ledger.ts'
import { describe, digestOf, imageManifest, pushBlob, TYPES } from '../durability/push.ts'
import { makeRandom } from '../durability/random.ts'
import type { Served } from '../durability/serve.ts'
import { serve, writeConfig } from '../durability/serve.ts'
import { write } from '../durability/writers.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Tally } from './readers.ts'
import { makeTally, read } from './readers.ts'
import type { Stock } from './stock.ts'
import { keepBlob, keepImage, makeStock } from './stock.ts'

const READERS = 6
const WRITERS = 2

/** How tar puts a file in the place of one that is there. */
const PASSES = [
  { name: 'into a directory that has older images', options: [] },
  { name: 'once more over itself (new inodes)', options: [] },
  { name: 'once more in place (the same inodes)', options: ['--overwrite'] },
] as const

export interface ExtractOptions {
  readonly megabytes: number
  readonly seed: string
}

/** Adds a row for each way of extracting, and one for a second server afterwards. */
export async function checkExtraction(context: E2EContext, recorder: Recorder, options: ExtractOptions): Promise<void> {
  const stock = await makeStock(context, options.megabytes, options.seed)
  const data = join(await context.machine.scratch('extract'), 'data')
  await mkdir(data)
  const configFile = await writeConfig(context, data)
  const served = await serve(context, configFile)
  const ledger = new Ledger()
  const before = await pushOlderImages(served, stock)
  await fillPool(served, ledger, makeRandom('pool'))
  for (const [at, pass] of PASSES.entries()) {
    await recorder.check(`tar of ${options.megabytes} MB extracts under load ${pass.name}`, async () => {
      const tally = makeTally()
      const extract = async (): Promise<void> => {
        const { stderr } = await context.machine.run(
          'tar',
          ['-xf', stock.tarFile, '-C', data, ...pass.options],
          // The server may have put the same blob there between tar's two calls; tar then leaves that one.
          { codes: [0, 2] },
        )
        const others = stderr.split('\n').filter((line) => line !== '' && !/File exists|previous errors/.test(line))
        if (others.length > 0) throw new Error(`tar: ${others.slice(0, 5).join('; ')}`)
      }
      await readAndWriteDuring({ served, stock, ledger, before, tally, seed: `${options.seed} ${at}` }, extract)
      context.progress(`tar: ${[...tally.counts].map(([what, times]) => `${what} × ${times}`).join(', ')}`)
      if (tally.problems.length > 0) {
        throw new Error(`${tally.problems.length} problems: ${[...new Set(tally.problems)].slice(0, 5).join('; ')}`)
      }
      if ((tally.counts.get('GET 200') ?? 0) < 20) throw new Error('too few answers while the tar was extracting')
      await demand(served, stock.ledger, stock.ledger.names(), 'what the tar brought')
      await demand(served, ledger, ledger.names(), 'what was pushed meanwhile')
    })
  }
  await recorder.check('a second server stays read-only after a tar replaced the lock file', async () => {
    const second = await serve(context, configFile)
    const client = connectTo(second.origin)
    const reply = await pushBlob(client, 'second/keeper', Buffer.from('x'))
    client.close()
    await second.kill('SIGTERM')
    if (reply.status !== 405) throw new Error(`the second server answered ${reply.status} to a push`)
  })
  await served.kill('SIGTERM')
}

// The same names as in the tar, with other content: tags that the tar moves.
async function pushOlderImages(served: Served, stock: Stock): Promise<Map<string, string>> {
  const client = connectTo(served.origin)
  const older = new Ledger()
  const before = new Map<string, string>()
  for (const repository of stock.repositories.slice(0, 40)) {
    const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', of: repository }))
    await keepBlob(client, older, repository, config)
    const bytes = imageManifest(describe(TYPES.config, config), [], 'older')
    await keepImage(client, older, repository, bytes)
    before.set(`tag ${repository} latest`, digestOf(bytes))
  }
  client.close()
  await demand(served, older, older.names(), 'before the tar')
  return before
}

interface Load {
  readonly served: Served
  readonly stock: Stock
  readonly ledger: Ledger
  readonly before: ReadonlyMap<string, string>
  readonly tally: Tally
  readonly seed: string
}

async function readAndWriteDuring(load: Load, act: () => Promise<void>): Promise<void> {
  const { served, stock, ledger, before, tally, seed } = load
  const random = makeRandom(seed)
  const client = connectTo(served.origin)
  const stop = new AbortController()
  const desks = makeDesks(ledger, random)
    .slice(0, WRITERS)
    .map((openDesk) => openDesk(served.origin, 0))
  const loops = [
    ...Array.from({ length: READERS }, (_, at) =>
      read({ client, stock, random: makeRandom(`${seed} ${at}`), tally, before }, stop.signal),
    ),
    ...desks.map((desk) => write(desk, stop.signal)),
    pushTheSame(load, stop.signal),
  ]
  try {
    await act()
  } finally {
    stop.abort()
    await Promise.all(loops)
    for (const each of [client, ...desks.map((desk) => desk.client)]) each.close()
  }
}

// Pushes blobs that the tar brings too, so that both write one file at the same time.
async function pushTheSame({ served, stock, ledger, seed }: Load, signal: AbortSignal): Promise<void> {
  const client = connectTo(served.origin)
  const random = makeRandom(`${seed} same`)
  while (!signal.aborted) {
    const bytes = random.pick([...stock.small.values()])
    if (bytes !== undefined) await keepBlob(client, ledger, 'pushed/too', bytes)
  }
  client.close()
}
