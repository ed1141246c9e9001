// Asks a registry for everything that a ledger says, byte for byte. It throws one error that names every
// difference; it must never be content with a status alone.
import type { Client } from '../../helpers/client.ts'
import { headerOf } from '../../helpers/client.ts'
import type { Ledger, Repository } from './ledger.ts'
import { TYPES } from './ledger.ts'

const ACCEPT = { accept: Object.values(TYPES).join(', ') }

export interface Reading {
  /** Whether names and tags must come in byte order (Tarn) or in any (docker-registry 2.8.2). */
  readonly ordered: boolean
  /** Repositories that this reader cannot list, for a reason that the caller has. */
  readonly unlisted?: readonly string[]
}

/** What is in these repositories: tags, manifests by tag and digest, blobs whole and in part. */
export async function checkServed(
  client: Client,
  ledger: Ledger,
  names: readonly string[],
  reading: Reading,
): Promise<void> {
  const faults: string[] = []
  const say = (fault: string): void => void faults.push(fault)
  for (const name of names) {
    const repository = ledger.get(name)
    if (repository === undefined) throw new Error(`nothing was pushed to ${name}`)
    await checkTags(client, name, repository, reading, say)
    await checkManifests(client, name, repository, say)
    for (const [digest, bytes] of repository.blobs) await checkBlob(client, name, digest, bytes, say)
  }
  throwFaults(faults)
}

/** The catalog names every repository and no other. */
export async function checkCatalog(client: Client, ledger: Ledger, reading: Reading): Promise<void> {
  const answer = await client.send('GET', '/v2/_catalog?n=1000')
  const listed = listOf(answer.body, 'repositories')
  const expected = [...ledger.keys()].filter((name) => reading.unlisted?.includes(name) !== true).toSorted(compareBytes)
  const faults: string[] = []
  compareLists(
    'catalog',
    reading.ordered ? listed : listed.toSorted(compareBytes),
    expected,
    (fault) => void faults.push(fault),
  )
  throwFaults(faults)
}

type Say = (fault: string) => void

function throwFaults(faults: readonly string[]): void {
  if (faults.length > 0) throw new Error(`${faults.length} differences:\n${faults.slice(0, 20).join('\n')}`)
}

async function checkTags(
  client: Client,
  name: string,
  { tags }: Repository,
  reading: Reading,
  say: Say,
): Promise<void> {
  const answer = await client.send('GET', `/v2/${name}/tags/list`)
  // docker-registry knows no tags where none was ever pushed (404) or none is left (null).
  const listed = answer.status === 404 && tags.size === 0 ? [] : listOf(answer.body, 'tags')
  compareLists(
    `tags of ${name}`,
    reading.ordered ? listed : listed.toSorted(compareBytes),
    [...tags.keys()].toSorted(compareBytes),
    say,
  )
}

async function checkManifests(client: Client, name: string, repository: Repository, say: Say): Promise<void> {
  const wanted = [...[...repository.manifests.keys()].map((digest) => [digest, digest] as const), ...repository.tags]
  for (const [reference, digest] of wanted) {
    const held = repository.manifests.get(digest)
    const answer = await client.send('GET', `/v2/${name}/manifests/${reference}`, {
      headers: ACCEPT,
    })
    const what = `manifest ${name} ${reference}`
    if (held === undefined || answer.status !== 200) {
      say(`${what}: status ${answer.status}: ${answer.body.toString().slice(0, 200)}`)
      continue
    }
    if (!answer.body.equals(held.bytes)) say(`${what}: ${answer.body.length} other bytes than pushed`)
    compareText(`${what}: Content-Type`, headerOf(answer, 'content-type'), held.mediaType, say)
    compareText(`${what}: Docker-Content-Digest`, headerOf(answer, 'docker-content-digest'), digest, say)
    const head = await client.send('HEAD', `/v2/${name}/manifests/${reference}`, {
      headers: ACCEPT,
    })
    compareText(`HEAD ${what}: Content-Length`, headerOf(head, 'content-length'), String(held.bytes.length), say)
  }
}

async function checkBlob(client: Client, name: string, digest: string, bytes: Buffer, say: Say): Promise<void> {
  const path = `/v2/${name}/blobs/${digest}`
  const whole = await client.send('GET', path)
  if (whole.status !== 200 || !whole.body.equals(bytes))
    say(`${path}: status ${whole.status}, ${whole.body.length} of ${bytes.length} bytes`)
  compareText(`${path}: Content-Length`, headerOf(whole, 'content-length'), String(bytes.length), say)
  if (bytes.length < 2) return
  const [from, to] = [1, Math.min(bytes.length - 1, 4000)]
  const part = await client.send('GET', path, { headers: { range: `bytes=${from}-${to}` } })
  if (part.status !== 206 || !part.body.equals(bytes.subarray(from, to + 1))) {
    say(`${path}: Range ${from}-${to}: status ${part.status}, ${part.body.length} bytes`)
  }
  compareText(`${path}: Content-Range`, headerOf(part, 'content-range'), `bytes ${from}-${to}/${bytes.length}`, say)
}

/** The list under `key` of a JSON answer; null (docker-registry's empty list) counts as empty. */
export function listOf(body: Buffer, key: string): string[] {
  try {
    const value = (JSON.parse(body.toString()) as Record<string, unknown>)[key]
    return Array.isArray(value) ? value.map(String) : []
  } catch {
    return [`no JSON: ${body.toString().slice(0, 100)}`]
  }
}

export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function compareLists(what: string, found: readonly string[], expected: readonly string[], say: Say): void {
  if (found.join('\n') !== expected.join('\n'))
    say(`${what}: [${found.join(', ')}] instead of [${expected.join(', ')}]`)
}

function compareText(what: string, found: string, expected: string, say: Say): void {
  if (found !== expected) say(`${what}: "${found}" instead of "${expected}"`)
}
