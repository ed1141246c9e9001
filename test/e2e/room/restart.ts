// A machine that goes down while its disk is full: the registry must come up again as it is, serve, delete, and be
// collected, with a server and without one, though nothing can be written and no file be made.
import type { E2EContext } from '../helpers/suite.ts'
import { makeRandom } from '../durability/random.ts'
import type { Field } from './field.ts'
import { closeField, insist, openField } from './field.ts'
import type { Image, Load } from './load.ts'
import { deleteImage, pullImage, pushImage } from './load.ts'
import { askBeforeBody } from './raw.ts'

const LARGE = 400_000

/** Throws unless all of that goes on at 0 bytes and 0 inodes. */
export async function restartWhenFull(context: E2EContext, seed: string): Promise<void> {
  const first = await openField(context)
  const load: Load = { client: first.client, random: makeRandom(`restart ${seed}`), faults: [], answers: new Map() }
  const kept = await demandPush(load, 'kept')
  const [one, two] = [await demandPush(load, 'one'), await demandPush(load, 'two')]
  await deleteImage(load, one)
  fill(first)
  await first.served.kill('SIGKILL')
  first.client.close()

  await expectFreed(first, 'a collection without a server')
  fill(first)
  const field = await first.restart()
  const again: Load = { ...load, client: field.client }
  await pullImage(again, kept)
  const ready = await field.client.get('/readyz')
  insist(ready.status === 200 && ready.body.includes('room: none'), `readyz says ${ready.body.toString()}`)
  const status = await askBeforeBody(field.port, 'POST', '/v2/new/blobs/uploads/', 1)
  insist(status === 503, `an upload is answered ${status}`)
  await deleteImage(again, two)
  await expectFreed(field, 'a collection through the server')
  field.clear()
  await demandPush(again, 'after')
  await pullImage(again, kept)
  insist(load.faults.length === 0, load.faults.join('; '))
  await closeField(field)
}

function fill(field: Field): void {
  field.clear()
  field.fillBytes()
  field.fillInodes()
  field.fillBytes()
  const { bytes, inodes } = field.free()
  insist(bytes === 0 && inodes === 0, `${bytes} bytes and ${inodes} inodes are free`)
}

// A server spares what is younger than a lease; the clock goes on while that is waited for.
async function expectFreed(field: Field, what: string): Promise<void> {
  for (const until = Date.now() + 20_000; field.free().bytes < LARGE;) {
    insist(Date.now() < until, `${what} frees ${field.free().bytes} bytes`)
    await field.collect('--untagged', '--older-than', '0s', '--grace', '0s')
  }
}

async function demandPush(load: Load, repository: string): Promise<Image> {
  const image = await pushImage(load, repository, 'v1', LARGE)
  if (image === undefined) throw new Error(`a push into free space was refused: ${repository}`)
  return image
}
