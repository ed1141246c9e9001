// Readers while a tar extracts under the server. They accept that something is not there yet (404) or that an
// answer breaks off (a reset); they do not accept a whole answer with wrong bytes, nor any 5xx.
import type { Client, Reply } from '../durability/client.ts'
import { hashAs } from '../durability/ledger.ts'
import { getBlob, getManifest } from '../durability/push.ts'
import type { Random } from '../durability/random.ts'
import type { Stock } from './stock.ts'

export interface Tally {
  /** Answers by what they were: `GET 200`, `HEAD 404`, `GET cut off`. */
  readonly counts: Map<string, number>
  readonly problems: string[]
}

interface Reading {
  readonly client: Client
  readonly stock: Stock
  readonly random: Random
  readonly tally: Tally
  /** Digests that a tag may show besides the stock's own, by name: what it pointed to before. */
  readonly before: ReadonlyMap<string, string>
}

export function makeTally(): Tally {
  return { counts: new Map(), problems: [] }
}

/** Reads in a loop until `signal` is aborted. */
export async function read(reading: Reading, signal: AbortSignal): Promise<void> {
  const { random, stock } = reading
  const names = stock.ledger.names()
  while (!signal.aborted) {
    const kind = random.number(6)
    if (kind === 0) await readSlice(reading)
    else if (kind === 1) await readList(reading)
    else await readName(reading, random.pick(names) ?? '', kind === 2 ? 'HEAD' : 'GET')
  }
}

async function readName(reading: Reading, name: string, method: 'GET' | 'HEAD'): Promise<void> {
  const { client, stock, tally, before } = reading
  const [kind = '', repository = '', reference = ''] = name.split(' ')
  if (method === 'HEAD') {
    const section = kind === 'blob' ? 'blobs' : 'manifests'
    const reply = await client.send({ method, path: `/v2/${repository}/${section}/${reference}` })
    const length = stock.small.get(reference)?.byteLength
    const isWrong = reply.status === 200 && length !== undefined && reply.headers['content-length'] !== String(length)
    count(
      tally,
      'HEAD',
      reply,
      [200, 404],
      isWrong ? `${name}: HEAD says ${reply.headers['content-length']} bytes` : '',
    )
    return
  }
  const reply = await (kind === 'blob' ? getBlob : getManifest)(client, repository, reference)
  count(
    tally,
    'GET',
    reply,
    [200, 404],
    describeWrong(reply, name, kind === 'tag' ? [stock.ledger.stateOf(name as never), before.get(name)] : [reference]),
  )
}

function describeWrong(reply: Reply, name: string, allowed: readonly (string | undefined)[]): string {
  if (reply.status !== 200 || !reply.clean) return ''
  const found = hashAs('sha256:', reply)
  return allowed.includes(found) ? '' : `${name}: a whole answer of ${reply.length} bytes with the digest ${found}`
}

async function readSlice({ client, stock, random, tally }: Reading): Promise<void> {
  const slice = random.pick(stock.slices)
  if (slice === undefined) return
  const { repository, digest, from, bytes } = slice
  const range = `bytes=${from}-${from + bytes.byteLength - 1}`
  const reply = await client.get(`/v2/${repository}/blobs/${digest}`, { Range: range })
  const isWrong = reply.status === 206 && reply.clean && !reply.body.equals(bytes)
  // 416: the file is shorter than the range for now, and nobody said how long it will be.
  count(tally, 'Range', reply, [206, 404, 416], isWrong ? `${digest}: other bytes at ${range}` : '')
}

async function readList({ client, stock, random, tally }: Reading): Promise<void> {
  const repository = random.pick(stock.repositories) ?? ''
  const subject = random.pick([...stock.small.keys()]) ?? ''
  const path =
    random.pick(['/v2/_catalog', `/v2/${repository}/tags/list`, `/v2/${repository}/referrers/${subject}`]) ?? ''
  const reply = await client.get(path)
  let problem = ''
  try {
    JSON.parse(reply.body.toString())
  } catch {
    problem = reply.clean ? `${path}: no JSON` : ''
  }
  count(tally, 'list', reply, [200, 404], problem)
}

function count(tally: Tally, act: string, reply: Reply, expected: readonly number[], problem: string): void {
  const what = `${act} ${reply.clean ? reply.status : 'cut off'}`
  tally.counts.set(what, (tally.counts.get(what) ?? 0) + 1)
  if (problem !== '') tally.problems.push(problem)
  // A reset after the status line is how a server takes an answer back; before it there must be an answer.
  if (!(expected.includes(reply.status) || (reply.status === 0 && !reply.clean))) {
    tally.problems.push(`${act}: ${reply.status} ${reply.body.toString('latin1', 0, 200)}`)
  }
}
