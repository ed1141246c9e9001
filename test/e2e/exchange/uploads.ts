// An upload that one program begins and another ends. The directory says all: startedat, data, and for
// distribution a token in the URL that the test makes itself, from the secret in the configuration.
import { createHmac } from 'node:crypto'
import { readFile, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from '../../helpers/client.ts'
import { addQuery, headerOf, locationOf } from '../../helpers/client.ts'
import { V2 } from './directory.ts'
import type { Ledger } from './ledger.ts'
import { digestOf, expectStatus } from './ledger.ts'

const OCTETS = { 'content-type': 'application/octet-stream' }

export interface Begun {
  readonly name: string
  readonly id: string
  readonly received: number
}

/** Begins an upload and sends `bytes` of it in two requests; gives its id. */
export async function beginUpload(client: Client, name: string, bytes: Buffer): Promise<Begun> {
  const posted = expectStatus(await client.send('POST', `/v2/${name}/blobs/uploads/`), 'POST upload', 202)
  const half = bytes.length >> 1
  let location = locationOf(posted)
  for (const part of [bytes.subarray(0, half), bytes.subarray(half)]) {
    const patched = expectStatus(
      await client.send('PATCH', location, { body: part, headers: OCTETS }),
      'PATCH upload',
      202,
    )
    location = locationOf(patched)
  }
  const id = /uploads\/([0-9a-f-]{36})/.exec(location)?.[1]
  if (id === undefined) throw new Error(`no UUID in the Location ${location}`)
  return { name, id, received: bytes.length }
}

/** Ends an upload that another program began: asks how far it is, sends the rest, closes it. */
export async function finishUpload(
  client: Client,
  ledger: Ledger,
  begun: Begun,
  whole: Buffer,
  state?: string,
): Promise<void> {
  const plain = `/v2/${begun.name}/blobs/uploads/${begun.id}`
  const asked = await client.send('GET', state === undefined ? plain : addQuery(plain, { _state: state }))
  expectStatus(asked, `GET ${plain}`, 204)
  const range = headerOf(asked, 'range')
  if (range !== `0-${begun.received - 1}`) throw new Error(`Range is "${range}", but ${begun.received} bytes are there`)
  const rest = whole.subarray(begun.received)
  const patched = await client.send('PATCH', locationOf(asked), { body: rest, headers: OCTETS })
  expectStatus(patched, `PATCH ${plain}`, 202)
  const digest = digestOf(whole)
  const done = await client.send('PUT', addQuery(locationOf(patched), { digest }))
  expectStatus(done, `PUT ${plain}`, 201)
  const got = expectStatus(
    await client.send('GET', `/v2/${begun.name}/blobs/${digest}`),
    'GET of the finished blob',
    200,
  )
  if (!got.body.equals(whole)) throw new Error(`the finished blob has ${got.body.length} other bytes`)
  ledger.get(begun.name)?.blobs.set(digest, whole)
}

/** distribution's `_state`: base64url of HMAC-SHA256 by http.secret and the JSON that it covers. */
export function makeState(secret: string, begun: Begun, startedAt: string): string {
  const json = JSON.stringify({
    Name: begun.name,
    UUID: begun.id,
    Offset: begun.received,
    StartedAt: startedAt,
  })
  const mac = createHmac('sha256', secret).update(json).digest()
  return Buffer.concat([mac, Buffer.from(json)])
    .toString('base64')
    .replaceAll('+', '-')
    .replaceAll('/', '_')
}

export interface UploadFiles {
  readonly names: string[]
  readonly startedAt: string
  /** Bytes of `data`. */
  readonly size: number
}

/** What lies in the upload's directory. */
export async function readUpload(data: string, begun: Begun): Promise<UploadFiles> {
  const folder = join(data, V2, 'repositories', begun.name, '_uploads', begun.id)
  return {
    names: (await readdir(folder)).toSorted(),
    startedAt: await readFile(join(folder, 'startedat'), 'utf8'),
    size: (await stat(join(folder, 'data'))).size,
  }
}

/** `2026-11-22T07:04:20Z`: 20 bytes, no newline, or distribution does not know and never purges the upload. */
export function checkStartedAt({ startedAt }: UploadFiles): void {
  if (startedAt.length !== 20 || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(startedAt)) {
    throw new Error(`startedat is ${JSON.stringify(startedAt)}`)
  }
}
