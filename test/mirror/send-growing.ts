import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:http'
import t from 'tap'
import { UP, pushLayers, startMirror, startUpstream, until } from '../helpers/mirror.ts'

const LENGTH = 48 * 1024 * 1024

/** Asks for a blob; the answer does not flow yet. */
async function ask(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => request(url, resolve).on('error', reject).end())
}

/** Reads an answer to its end, `wait` between its pieces. */
async function hash(
  answer: AsyncIterable<Buffer>,
  wait?: (piece: number) => Promise<unknown> | undefined,
): Promise<string> {
  const sum = createHash('sha256')
  let pieces = 0
  for await (const piece of answer) {
    sum.update(piece)
    await wait?.((pieces += 1))
  }
  return `sha256:${sum.digest('hex')}`
}

t.test('clients of any pace get the right bytes, and the transfer waits for none of them', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const layer = randomBytes(LENGTH)
  const image = await pushLayers(client, 'team/app', [layer])
  const [digest = ''] = image.layers
  const mirror = await startMirror(t, [gateway])
  const url = `${mirror.url}/v2/${UP}/team/app/blobs/${digest}`
  const answers = [await ask(url), await ask(url), await ask(url), await ask(url)] as const
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  // One as fast as it can, one that stops now and then, one that is always late, one that has not begun.
  const eager = hash(answers[0])
  const halting = hash(answers[1], async (piece) => {
    for (let turns = 0; piece % 100 === 0 && turns < 200; turns += 1) await turn()
  })
  const late = hash(answers[2], turn)
  await until('all of it left the upstream', () => gateway.blobBytes() >= LENGTH)
  t.equal(await eager, digest)
  t.equal(await hash(answers[3]), digest)
  t.same(await Promise.all([halting, late]), [digest, digest])
  t.equal(gateway.count(`GET /v2/team/app/blobs/${digest}`), 1)
})

t.test('a client that stands still holds up nobody, and its leaving nothing', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const layer = randomBytes(LENGTH)
  const image = await pushLayers(client, 'team/app', [layer])
  const [digest = ''] = image.layers
  const mirror = await startMirror(t, [gateway])
  const url = `${mirror.url}/v2/${UP}/team/app/blobs/${digest}`
  const still = await ask(url)
  t.equal(await hash(await ask(url)), digest)
  still.destroy()
  t.equal(await hash(await ask(url)), digest)
  t.equal(gateway.count(`GET /v2/team/app/blobs/${digest}`), 1)
})
