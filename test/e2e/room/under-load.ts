// The rounds: stock the shelves, fill the disk while clients pull, push and delete, look at what is refused and what
// goes on, collect now and then at 0 bytes and 0 inodes, free the space, and push at once.
import type { E2EContext } from '../helpers/suite.ts'
import { makeRandom } from '../durability/random.ts'
import { askBeforeBody } from './raw.ts'
import type { Field } from './field.ts'
import { closeField, insist, openField } from './field.ts'
import type { Image, Load } from './load.ts'
import { deleteImage, pullImage, pushImage } from './load.ts'

const MEBIBYTE = 1024 * 1024
const PULLERS = 3
const PUSHERS = 3
const COLLECT_EVERY = 5

/** How often the disk had nothing left at all. */
interface Reached {
  bytes: number
  inodes: number
}

/** Throws unless all promises hold through `rounds` fillings. */
export async function fillUnderLoad(context: E2EContext, seed: string, rounds: number): Promise<void> {
  const field = await openField(context)
  const load: Load = { client: field.client, random: makeRandom(`room ${seed}`), faults: [], answers: new Map() }
  const kept: Image[] = []
  const reached = { bytes: 0, inodes: 0 }
  for (let at = 0; at < 5; at++) kept.push(await demandPush(load, 'kept', `v${at}`, 200_000))
  const stop = new AbortController()
  const workers = Promise.all([
    ...Array.from({ length: PULLERS }, () => pullOn(load, kept, stop.signal)),
    ...Array.from({ length: PUSHERS }, (_, at) => pushAndDeleteOn(load, `load/w${at}`, stop.signal)),
  ])
  try {
    for (let round = 1; round <= rounds; round++) {
      await runRound(field, load, round, reached)
      insist(load.faults.length === 0, `round ${round}: ${load.faults.slice(0, 5).join('; ')}`)
      if (round % 10 === 0) context.progress(`room: ${round} of ${rounds} rounds`)
    }
  } finally {
    stop.abort()
    await workers
  }
  insist(load.faults.length === 0, `at the end: ${load.faults.slice(0, 5).join('; ')}`)
  const answers = [...load.answers].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([act, count]) => `${act} × ${count}`)
  context.progress(`room: ${answers.join(', ')}`)
  insist(reached.bytes === rounds, `only ${reached.bytes} rounds reached the last byte`)
  insist(reached.inodes === rounds, `only ${reached.inodes} rounds reached the last inode`)
  insist(
    answers.some((line) => line.includes('503')),
    'no push ever met the full disk',
  )
  await closeField(field)
}

async function runRound(field: Field, load: Load, round: number, reached: Reached): Promise<void> {
  const { client } = field
  const when = (what: string): string => `round ${round}: ${what}`
  const doomed = [
    await demandPush(load, 'doomed', `b${round}`, 20_000),
    await demandPush(load, 'doomed', `i${round}`, 20_000),
  ]
  const begun = await client.send({ method: 'POST', path: '/v2/doomed/blobs/uploads/' })
  const upload = begun.headers['location'] ?? ''

  field.fillBytes()
  // At this moment: clients free a little and take it again.
  if (field.free().bytes === 0) reached.bytes += 1
  await expectRefusals(field, upload, when('out of bytes'))
  for (const image of doomed.splice(0, 1)) await deleteImage(load, image)
  field.fillInodes()
  if (field.free().inodes === 0) reached.inodes += 1
  field.fillBytes()
  await expectRefusals(field, upload, when('out of bytes and inodes'))
  for (const image of doomed) await deleteImage(load, image)
  const ready = await client.get('/readyz')
  insist(ready.status === 200 && ready.body.includes('room: none'), when(`readyz says ${ready.body.toString()}`))
  const cancelled = await client.send({ method: 'DELETE', path: upload })
  insist(cancelled.status === 204, when(`cancelling an upload: ${cancelled.status}`))
  if (round % COLLECT_EVERY === 0) await field.collect()

  field.clear()
  await demandPush(load, 'doomed', `after${round}`, 20_000)
  const metrics = (await client.get('/metrics')).body.toString()
  insist(/^tarn_room_state\{state="stop"\} 0$/m.test(metrics), when('metrics do not show that there is room'))
}

// What does not fit is refused before its body: not even asked for.
async function expectRefusals({ port }: Field, upload: string, when: string): Promise<void> {
  const digest = `sha256:${'0'.repeat(64)}`
  for (const [method, path] of [
    ['POST', '/v2/doomed/blobs/uploads/'],
    ['POST', `/v2/new/repository/blobs/uploads/?digest=${digest}`],
    ['POST', `/v2/doomed/blobs/uploads/?mount=${digest}&from=kept`],
    ['PATCH', upload],
    ['PUT', `${upload}?digest=${digest}`],
    ['PUT', '/v2/doomed/manifests/new'],
  ] as const) {
    const status = await askBeforeBody(port, method, path, MEBIBYTE)
    insist(status === 503, `${when}: ${method} ${path} is answered ${status} before its body`)
  }
}

async function demandPush(load: Load, repository: string, tag: string, size: number): Promise<Image> {
  const image = await pushImage(load, repository, tag, size)
  if (image === undefined) throw new Error(`a push into free space was refused: ${repository}:${tag}`)
  return image
}

async function pullOn(load: Load, kept: readonly Image[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const image = load.random.pick(kept)
    if (image !== undefined) await pullImage(load, image)
  }
}

async function pushAndDeleteOn(load: Load, repository: string, signal: AbortSignal): Promise<void> {
  const own: Image[] = []
  for (let at = 0; !signal.aborted; at++) {
    const pushed = await pushImage(load, repository, `t${at}`, 1000 + load.random.number(200_000))
    if (pushed !== undefined) own.push(pushed)
    const oldest = own.length > 5 || pushed === undefined ? own.shift() : undefined
    if (oldest !== undefined) await deleteImage(load, oldest)
  }
}
