// Reading blobs: whole, in part, missing (C-13, C-14, C-23).
import { randomBytes } from 'node:crypto'
import { hashOf } from '../../helpers/digest.ts'
import type { Context } from './check.ts'
import { check } from './check.ts'
import type { Algorithm } from './content.ts'
import { OCTETS } from './content.ts'
import { PUSH_STYLES } from './uploads.ts'

const SIZE = 2048

interface RangeCase {
  readonly range: string
  /** First and last byte of the part; undefined when no byte can be given. */
  readonly part?: readonly [first: number, last: number]
}

const RANGES: readonly RangeCase[] = [
  { range: 'bytes=500-1499', part: [500, 1499] },
  { range: 'bytes=500-', part: [500, 2047] },
  { range: 'bytes=-500', part: [1548, 2047] },
  { range: 'bytes=2000-5000', part: [2000, 2047] },
  { range: 'bytes=0-0', part: [0, 0] },
  { range: 'bytes=0-', part: [0, 2047] },
  { range: 'bytes=2047-2047', part: [2047, 2047] },
  { range: 'bytes=-1', part: [2047, 2047] },
  { range: 'bytes=-2048', part: [0, 2047] },
  { range: 'bytes=-9999', part: [0, 2047] },
  { range: 'bytes=500-0' },
  { range: 'bytes=5000-10000' },
  { range: 'bytes=2048-' },
  { range: 'bytes=-0' },
]

/** Runs the reading checks with digests of one algorithm. */
export async function checkBlobs({ t, client, repo1 }: Context, algorithm: Algorithm): Promise<void> {
  const bytes = randomBytes(SIZE)
  const digest = hashOf(bytes, algorithm)
  const path = `/v2/${repo1}/blobs/${digest}`
  await check(t, `C-23 ${algorithm}: a blob that was never pushed is 404 BLOB_UNKNOWN`, async (judge) => {
    const answer = await client.send('GET', path)
    judge.status(answer, 404)
    judge.code(answer, 'BLOB_UNKNOWN')
    judge.status(await client.send('HEAD', path), 404)
  })
  await PUSH_STYLES['POST and PUT']?.(client, repo1, digest, bytes)
  for (const { range, part } of RANGES) {
    await check(t, `C-14 ${algorithm}: Range ${range} is ${part === undefined ? 416 : 206}`, async (judge) => {
      const answer = await client.send('GET', path, { headers: { range } })
      if (part === undefined) {
        judge.status(answer, 416)
        judge.header(answer, 'content-range', `bytes */${SIZE}`)
        return
      }
      const [first, last] = part
      judge.status(answer, 206)
      judge.header(answer, 'content-length', String(last - first + 1))
      judge.header(answer, 'content-range', `bytes ${first}-${last}/${SIZE}`)
      judge.body(answer, bytes.subarray(first, last + 1))
    })
  }
  for (const method of ['GET', 'HEAD']) {
    await check(
      t,
      `C-13 ${algorithm}: ${method} gives length, type and digest in the algorithm asked for`,
      async (judge) => {
        const answer = await client.send(method, path)
        judge.status(answer, 200)
        judge.header(answer, 'content-length', String(SIZE))
        judge.header(answer, 'content-type', OCTETS)
        judge.header(answer, 'docker-content-digest', digest)
        judge.header(answer, 'accept-ranges', 'bytes')
        judge.body(answer, method === 'GET' ? bytes : Buffer.alloc(0))
      },
    )
  }
  await check(t, `C-13 ${algorithm}: the empty blob has Content-Length 0 on GET and HEAD`, async (judge) => {
    const nothing = Buffer.alloc(0)
    const empty = hashOf(nothing, algorithm)
    await PUSH_STYLES['POST and PUT']?.(client, repo1, empty, nothing)
    for (const method of ['GET', 'HEAD']) {
      const answer = await client.send(method, `/v2/${repo1}/blobs/${empty}`)
      judge.status(answer, 200)
      judge.header(answer, 'content-length', '0')
      judge.header(answer, 'docker-content-digest', empty)
      judge.body(answer, nothing)
    }
  })
  await check(t, `C-20 ${algorithm}: a deleted blob is 404 at once and can be pushed again`, async (judge) => {
    judge.status(await client.send('DELETE', path), 202)
    judge.status(await client.send('HEAD', path), 404)
    judge.status(await client.send('DELETE', path), 404)
    const again = await PUSH_STYLES['one POST']?.(client, repo1, digest, bytes)
    judge.that(again?.status === 201, `second push answered ${again?.status}`)
    const back = await client.send('GET', path)
    judge.status(back, 200)
    judge.body(back, bytes)
    judge.status(await client.send('DELETE', path), 202)
  })
}
