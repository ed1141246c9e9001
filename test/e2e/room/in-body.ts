// A disk that fills up while a body comes whose length nobody said: the answer is 503, the space is given back at once,
// what was acknowledged before stays, and the same upload goes on when there is room. No marks here: they would refuse first.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describeReply } from '../durability/client.ts'
import { digestOf, emptyIndex, putManifest } from '../durability/push.ts'
import { makeRandom } from '../durability/random.ts'
import type { E2EContext } from '../helpers/suite.ts'
import type { Field } from './field.ts'
import { closeField, insist, openField } from './field.ts'
import { sendUnannounced } from './raw.ts'

const MEBIBYTE = 1024 * 1024
const FIRST = 65_536

/** Throws unless all promises hold through `rounds` fillings. */
export async function fillInBodies(context: E2EContext, seed: string, rounds: number): Promise<void> {
  const field = await openField(context, { warn: '0', stop: '0' })
  const random = makeRandom(`bodies ${seed}`)
  for (let round = 1; round <= rounds; round++) await fillInBody(field, random.bytes(6 * MEBIBYTE), round)
  const uploads = readdirSync(field.data, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /_uploads\/[^/]+$/.test(path),
  )
  insist(uploads.length === 0, `uploads were left: ${uploads.length}`)
  const temporary = readdirSync(join(field.data, '.tarn', 'tmp'), { recursive: true, withFileTypes: true })
  insist(!temporary.some((entry) => entry.isFile()), 'temporary files were left')
  await closeField(field)
}

async function fillInBody(field: Field, bytes: Buffer, round: number): Promise<void> {
  const { client, served } = field
  const repository = `bodies/r${round}`
  const digest = digestOf(bytes)
  const [first, rest] = [bytes.subarray(0, FIRST), bytes.subarray(FIRST)]
  const begun = await client.send({ method: 'POST', path: `/v2/${repository}/blobs/uploads/` })
  const upload = begun.headers['location'] ?? ''
  const patched = await client.send({ method: 'PATCH', path: upload, body: first })
  insist(patched.status === 202, `round ${round}: the first part: ${describeReply(patched)}`)

  field.fillBytes(2 * MEBIBYTE)
  const before = field.free().bytes
  for (const [method, path] of [
    ['PATCH', upload],
    ['PUT', `${upload}?digest=${digest}`],
    ['POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`],
  ] as const) {
    const status = await sendUnannounced(served.origin, method, path, rest)
    insist(status === 503, `round ${round}: a body that fills the disk (${method}): ${status}`)
    const { bytes: after } = field.free()
    insist(after >= before - FIRST, `round ${round}: ${method} kept ${before - after} bytes of a full disk`)
  }
  const stood = await client.get(upload)
  insist(stood.headers['range'] === `0-${FIRST - 1}`, `round ${round}: the upload stands at ${stood.headers['range']}`)
  field.fillBytes()
  const refused = await putManifest(client, repository, 'v1', emptyIndex('full'))
  insist(refused.status === 503, `round ${round}: a manifest on a full disk: ${describeReply(refused)}`)

  field.clear()
  const headers = { 'Content-Range': `${FIRST}-${bytes.byteLength - 1}` }
  const path = `${upload}?digest=${digest}`
  const ended = await client.send({ method: 'PUT', path, headers, body: rest })
  insist(ended.status === 201, `round ${round}: the same upload with room: ${describeReply(ended)}`)
  const pulled = await client.get(`/v2/${repository}/blobs/${digest}`)
  insist(pulled.sha256 === digest.slice('sha256:'.length), `round ${round}: the blob is not what was pushed`)
  const gone = await client.send({ method: 'DELETE', path: `/v2/${repository}/blobs/${digest}` })
  insist(gone.status === 202, `round ${round}: its deletion: ${describeReply(gone)}`)
  if (field.free().bytes < 16 * MEBIBYTE) await collectTwice(field)
}

// Once into the trash, once out of it: both need that what they take is older than lease and grace.
async function collectTwice(field: Field): Promise<void> {
  const { bytes } = field.free()
  const deadline = Date.now() + 20_000
  while (field.free().bytes <= bytes) {
    insist(Date.now() < deadline, 'collection frees nothing')
    await field.collect()
  }
}
