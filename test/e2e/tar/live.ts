// The third way of the handbook, without stopping anything: a tar of the directory that a server is serving and eight
// writers are writing to. Unpacked elsewhere it serves all that was acknowledged before tar began, in Tarn and
// in registry:2.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { connectTo } from '../durability/client.ts'
import { demand, fillPool, makeDesks } from '../durability/desks.ts'
import type { Name } from '../durability/ledger.ts'
import { Ledger } from '../durability/ledger.ts'
import { makeRandom } from '../durability/random.ts'
import { scrub } from '../durability/scrub.ts'
import { serve, writeConfig } from '../durability/serve.ts'
import type { Act } from '../durability/writers.ts'
import { pushAKeptImage, pushALayer, write } from '../durability/writers.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { keepBlob } from './stock.ts'

// Nothing that is promised is taken back: a tag that moves while tar runs may be in the tar without its new image.
const ACTS: readonly Act[] = [pushALayer, pushAKeptImage]
const BEFORE = 300
const LARGE = 100 * 1024 * 1024

/** Adds a row for the tar and one for each program that serves it. */
export async function checkLiveTar(context: E2EContext, recorder: Recorder, seed: string): Promise<void> {
  const folder = await context.machine.scratch('live')
  const data = join(folder, 'data')
  const copy = join(folder, 'copy')
  await mkdir(data)
  await mkdir(copy)
  const ledger = new Ledger()
  let promised: Name[] = []
  await recorder.check('a tar is taken from the live directory under writers', async () => {
    promised = await takeTar(context, data, join(folder, 'live.tar'), ledger, seed)
    await context.machine.run('tar', ['-xf', join(folder, 'live.tar'), '-C', copy])
  })
  if (promised.length === 0) return
  for (const binary of ['tarn', 'docker-registry']) {
    await recorder.check(
      `${binary} serves from it all that was acknowledged before (${promised.length} names)`,
      async () => {
        const served = await serve(context, await writeConfig(context, copy), binary === 'tarn' ? {} : { binary })
        await demand(served, ledger, promised, 'unpacked')
        await served.kill('SIGTERM')
      },
    )
  }
  await recorder.check('the writers lost nothing while tar was reading', async () => {
    const served = await serve(context, await writeConfig(context, data))
    await demand(served, ledger, ledger.names(), 'the live directory')
    await served.kill('SIGTERM')
    const { problems } = await scrub(data)
    if (problems.length > 0) throw new Error(problems.join('; '))
  })
}

/** Gives the names that were acknowledged before tar began. */
async function takeTar(context: E2EContext, data: string, file: string, ledger: Ledger, seed: string): Promise<Name[]> {
  const served = await serve(context, await writeConfig(context, data))
  const random = makeRandom(seed)
  await fillPool(served, ledger, random)
  // So that tar has to read for a while, and the writers get on meanwhile.
  const client = connectTo(served.origin)
  for (let at = 0; at < 4; at++) await keepBlob(client, ledger, 'live/large', random.bytes(LARGE))
  client.close()
  const stop = new AbortController()
  const desks = makeDesks(ledger, random).map((openDesk) => openDesk(served.origin, 0))
  const writers = Promise.all(desks.map((desk) => write(desk, stop.signal, ACTS)))
  await Promise.race([writers, ledger.reach(BEFORE)])
  const promised = ledger.names().filter((name) => ledger.stateOf(name) !== 'absent')
  const acks = ledger.acks
  // 1: a file changed or vanished while tar read it; that is what this is about.
  await context.machine.run('tar', ['-cf', file, '-C', data, '.'], { codes: [0, 1] })
  const during = ledger.acks - acks
  stop.abort()
  await writers
  for (const desk of desks) desk.client.close()
  await demand(served, ledger, [], 'while tar was reading')
  await served.kill('SIGTERM')
  if (during === 0) throw new Error('nothing was acknowledged while tar was reading')
  context.progress(`tar: ${promised.length} names before, ${during} changes while it ran`)
  return promised
}
