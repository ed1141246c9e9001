// The five ways to push a blob and the checks of each (C-05 to C-12): single POST, POST then PUT, one
// streamed PATCH, ordered chunks, and mount; out of order, with a wrong digest, cancelled.
import { randomBytes } from 'node:crypto'
import { hashOf } from '../../helpers/digest.ts'
import type { Answer, Client } from '../../helpers/client.ts'
import { addQuery, headerOf, locationOf } from '../../helpers/client.ts'
import type { Context, Judge } from './check.ts'
import { check } from './check.ts'
import type { Algorithm } from './content.ts'
import { OCTETS } from './content.ts'

const TYPED = { 'content-type': OCTETS }

/** One way to push whole `bytes` under `digest`; gives the last answer. */
export type PushStyle = (client: Client, repo: string, digest: string, bytes: Buffer) => Promise<Answer>

export const PUSH_STYLES: Readonly<Record<string, PushStyle>> = {
  // The specification lets a server answer 202 and wait for a PUT; what Tarn must do has its own check.
  'one POST': async (client, repo, digest, bytes) => {
    const path = addQuery(`/v2/${repo}/blobs/uploads/`, { digest })
    const answer = await client.send('POST', path, { headers: TYPED, body: bytes })
    if (answer.status !== 202) return answer
    return client.send('PUT', addQuery(locationOf(answer), { digest }), { headers: TYPED, body: bytes })
  },

  'POST and PUT': async (client, repo, digest, bytes) => {
    const opened = await openUpload(client, repo)
    return client.send('PUT', addQuery(locationOf(opened), { digest }), {
      headers: TYPED,
      body: bytes,
    })
  },

  'one streamed PATCH': async (client, repo, digest, bytes) => {
    const opened = await openUpload(client, repo)
    const half = bytes.length >> 1
    const sent = await client.send('PATCH', locationOf(opened), {
      chunks: [bytes.subarray(0, half), bytes.subarray(half)].filter((piece) => piece.length > 0),
    })
    if (sent.status !== 202) return sent
    return client.send('PUT', addQuery(locationOf(sent), { digest }), { headers: TYPED })
  },

  'ordered chunks': async (client, repo, digest, bytes) => {
    let answer = await openUpload(client, repo)
    for (const [start, end] of cutThird(bytes.length)) {
      answer = await sendChunk(client, 'PATCH', locationOf(answer), bytes, start, end)
      if (answer.status !== 202) return answer
    }
    return client.send('PUT', addQuery(locationOf(answer), { digest }), { headers: TYPED })
  },

  'ordered chunks, the last in the PUT': async (client, repo, digest, bytes) => {
    let answer = await openUpload(client, repo)
    const pieces = cutThird(bytes.length)
    for (const [start, end] of pieces.slice(0, -1)) {
      answer = await sendChunk(client, 'PATCH', locationOf(answer), bytes, start, end)
      if (answer.status !== 202) return answer
    }
    const [start, end] = pieces.at(-1) ?? [0, 0]
    return sendChunk(client, 'PUT', addQuery(locationOf(answer), { digest }), bytes, start, end)
  },
}

/** Opens an upload session; throws unless it was accepted. */
export async function openUpload(client: Client, repo: string): Promise<Answer> {
  const answer = await client.send('POST', `/v2/${repo}/blobs/uploads/`)
  if (answer.status !== 202) throw new Error(`POST uploads/ answered ${answer.status}`)
  return answer
}

function sendChunk(
  client: Client,
  method: string,
  path: string,
  bytes: Buffer,
  start: number,
  end: number,
): Promise<Answer> {
  return client.send(method, path, {
    headers: { ...TYPED, 'content-range': `${start}-${end - 1}` },
    body: bytes.subarray(start, end),
  })
}

// Half-open pieces; content of fewer than three bytes goes as one.
function cutThird(length: number): [start: number, end: number][] {
  const size = length < 3 ? length : Math.ceil(length / 3)
  const pieces: [number, number][] = []
  for (let start = 0; start < length; start += size) pieces.push([start, Math.min(start + size, length)])
  return pieces
}

/** Judges the 201 that ends a push: the Location must give the bytes back (C-06). */
export async function judgeCreated(judge: Judge, client: Client, answer: Answer, digest: string, bytes: Buffer) {
  judge.status(answer, 201)
  judge.header(answer, 'docker-content-digest', digest)
  judge.present(answer, 'location')
  const back = await client.send('GET', locationOf(answer))
  judge.status(back, 200)
  judge.body(back, bytes)
}

/** Runs every upload check with digests of one algorithm. */
export async function checkUploads(context: Context, algorithm: Algorithm): Promise<void> {
  const { t, client, repo1 } = context
  const fresh = (size = 3067): { bytes: Buffer; digest: string } => {
    const bytes = randomBytes(size)
    return { bytes, digest: hashOf(bytes, algorithm) }
  }
  for (const [name, push] of Object.entries(PUSH_STYLES)) {
    await check(
      t,
      `C-05..C-09 ${algorithm}: a push by ${name} ends in 201 and its Location gives the blob`,
      async (judge) => {
        const { bytes, digest } = fresh()
        await judgeCreated(judge, client, await push(client, repo1, digest, bytes), digest, bytes)
      },
    )
    await check(t, `C-11 ${algorithm}: a push by ${name} with another digest is 400 DIGEST_INVALID`, async (judge) => {
      const { bytes } = fresh()
      const { digest } = fresh()
      const answer = await push(client, repo1, digest, bytes)
      judge.status(answer, 400)
      judge.code(answer, 'DIGEST_INVALID')
      judge.status(await client.send('HEAD', `/v2/${repo1}/blobs/${digest}`), 404)
    })
    for (const [label, bytes] of [
      ['the empty blob', Buffer.alloc(0)],
      ['the blob {}', Buffer.from('{}')],
    ] as const) {
      if (bytes.length === 0 && name.startsWith('ordered')) continue
      await check(t, `C-13 ${algorithm}: ${label} goes by ${name}`, async (judge) => {
        const digest = hashOf(bytes, algorithm)
        await judgeCreated(judge, client, await push(client, repo1, digest, bytes), digest, bytes)
      })
    }
  }
  await check(t, `C-07 ${algorithm}: one POST with the digest is enough, without a PUT`, async (judge) => {
    const { bytes, digest } = fresh()
    const path = addQuery(`/v2/${repo1}/blobs/uploads/`, { digest })
    await judgeCreated(judge, client, await client.send('POST', path, { headers: TYPED, body: bytes }), digest, bytes)
  })
  await checkOrder(context, fresh)
  await checkMounts(context, algorithm, fresh)
  await check(t, `C-22 ${algorithm}: a cancelled upload answers 204 and is gone`, async (judge) => {
    const location = locationOf(await openUpload(client, repo1))
    judge.status(await client.send('DELETE', location), 204)
    const again = await client.send('GET', location)
    judge.status(again, 404)
    judge.code(again, 'BLOB_UPLOAD_UNKNOWN')
  })
}

type Fresh = (size?: number) => { bytes: Buffer; digest: string }

async function checkOrder({ t, client, repo1 }: Context, fresh: Fresh): Promise<void> {
  const judgeStill = async (judge: Judge, path: string, wanted: string): Promise<Answer> => {
    const status = await client.send('GET', path)
    judge.status(status, 204)
    judge.present(status, 'location')
    judge.header(status, 'range', wanted)
    return status
  }
  const cases = [
    { name: 'ahead of the first byte', sent: 0, start: 1024 },
    { name: 'ahead of what was received', sent: 1024, start: 2048 },
    { name: 'back at zero', sent: 1024, start: 0 },
    { name: 'one byte back', sent: 1024, start: 1023 },
    { name: 'one byte ahead', sent: 1024, start: 1025 },
  ]
  for (const { name, sent, start } of cases) {
    for (const method of ['PATCH', 'PUT']) {
      await check(t, `C-10 a ${method} ${name} is 416, nothing is appended and the session lives on`, async (judge) => {
        const { bytes, digest } = fresh(3067)
        let answer = await openUpload(client, repo1)
        if (sent > 0) answer = await sendChunk(client, 'PATCH', locationOf(answer), bytes, 0, sent)
        const location = locationOf(answer)
        const path = method === 'PUT' ? addQuery(location, { digest }) : location
        judge.status(await sendChunk(client, method, path, bytes, start, start + 1019), 416)
        const status = await judgeStill(judge, path, sent === 0 ? '0-0' : `0-${sent - 1}`)
        const rest = await sendChunk(
          client,
          'PUT',
          addQuery(locationOf(status).replace(/[?&]digest=[^&]*/, ''), { digest }),
          bytes,
          sent,
          bytes.length,
        )
        await judgeCreated(judge, client, rest, digest, bytes)
      })
    }
  }
  await check(t, 'C-09 each accepted chunk names what is there in Range', async (judge) => {
    const { bytes } = fresh(3000)
    let answer = await openUpload(client, repo1)
    for (const [start, end] of cutThird(bytes.length)) {
      answer = await sendChunk(client, 'PATCH', locationOf(answer), bytes, start, end)
      judge.status(answer, 202)
      judge.header(answer, 'range', `0-${end - 1}`)
      judge.present(answer, 'location')
      await judgeStill(judge, locationOf(answer), `0-${end - 1}`)
    }
    judge.status(await client.send('DELETE', locationOf(answer)), 204)
  })
}

async function checkMounts({ t, client, repo1, repo2 }: Context, algorithm: Algorithm, fresh: Fresh): Promise<void> {
  const mount = (repo: string, query: Record<string, string>): Promise<Answer> =>
    client.send('POST', addQuery(`/v2/${repo}/blobs/uploads/`, query))
  const pushThere = async (): Promise<{ bytes: Buffer; digest: string }> => {
    const blob = fresh(512)
    await PUSH_STYLES['POST and PUT']?.(client, repo2, blob.digest, blob.bytes)
    return blob
  }
  await check(t, `C-12 ${algorithm}: a mount from a repository that has the blob is 201`, async (judge) => {
    const { bytes, digest } = await pushThere()
    const answer = await mount(repo1, { mount: digest, from: repo2 })
    await judgeCreated(judge, client, answer, digest, bytes)
    judge.that(locationOf(answer) === `/v2/${repo1}/blobs/${digest}`, `Location is ${headerOf(answer, 'location')}`)
  })
  await check(t, `C-12 ${algorithm}: a mount without a source is 201, or 202 and the upload works`, async (judge) => {
    const { bytes, digest } = await pushThere()
    const answer = await mount(repo1, { mount: digest })
    judge.status(answer, 201, 202)
    const last =
      answer.status === 202
        ? await client.send('PUT', addQuery(locationOf(answer), { digest }), {
            headers: TYPED,
            body: bytes,
          })
        : answer
    await judgeCreated(judge, client, last, digest, bytes)
  })
  await check(t, `C-12 ${algorithm}: a mount of a blob that is nowhere is 202 and the upload works`, async (judge) => {
    const { bytes, digest } = fresh(512)
    const answer = await mount(repo1, { mount: digest, from: repo2 })
    judge.status(answer, 202)
    const last = await client.send('PUT', addQuery(locationOf(answer), { digest }), {
      headers: TYPED,
      body: bytes,
    })
    await judgeCreated(judge, client, last, digest, bytes)
  })
}
