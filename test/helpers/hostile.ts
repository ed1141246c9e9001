// Runs tables of hostile requests against a Tarn: each case is one named assertion. What came back must be a
// 4xx in the specification's JSON, the server must go on, and nothing may lie where nothing belongs.
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Test } from 'tap'
import type { Exchange, RawAnswer } from './raw-socket.ts'
import { exchange, valuesOf, writeRequest } from './raw-socket.ts'
import type { StartedTarn } from './server.ts'

export interface HostileCase {
  readonly name: string
  readonly method?: string
  readonly path?: string
  readonly headers?: readonly string[]
  readonly body?: Buffer | string
  /** The whole request as it goes over the wire, in place of the four above. */
  readonly raw?: Buffer | string
  /** The statuses that fit; every 4xx of `REFUSALS` unless given. */
  readonly status?: readonly number[]
  readonly code?: readonly string[]
  /** Whether it is enough that the server closes the connection without a word. */
  readonly mayClose?: boolean
}

export const REFUSALS = [400, 401, 404, 405, 408, 411, 413, 414, 416, 417, 429, 431]

const CODES = new Set([
  'BLOB_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
  'BLOB_UPLOAD_UNKNOWN',
  'DENIED',
  'DIGEST_INVALID',
  'MANIFEST_BLOB_UNKNOWN',
  'MANIFEST_INVALID',
  'MANIFEST_UNKNOWN',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'PAGINATION_NUMBER_INVALID',
  'RANGE_INVALID',
  'SIZE_INVALID',
  'TAG_INVALID',
  'TOOMANYREQUESTS',
  'UNAUTHORIZED',
  'UNSUPPORTED',
])

/** What is wrong with an answer as a refusal; undefined when nothing is. */
export function findFault(
  answer: RawAnswer,
  method: string,
  allowed: readonly number[] = REFUSALS,
): string | undefined {
  const shown = `${answer.status} ${answer.body.toString('latin1', 0, 200)}`
  if (!allowed.includes(answer.status)) return `status ${shown}, wanted ${allowed.join(' or ')}`
  if (answer.status < 400) return undefined
  const [type] = valuesOf(answer, 'content-type')
  if (type !== 'application/json') return `Content-Type ${type}: ${shown}`
  if (method === 'HEAD') return undefined
  return findBodyFault(answer.body.toString())
}

function findBodyFault(text: string): string | undefined {
  let parsed: { errors?: { code?: unknown; message?: unknown }[] }
  try {
    parsed = JSON.parse(text) as typeof parsed
  } catch {
    return `no JSON: ${text.slice(0, 200)}`
  }
  if (!Array.isArray(parsed.errors) || parsed.errors.length === 0) return `no errors: ${text.slice(0, 200)}`
  for (const { code, message } of parsed.errors) {
    if (typeof code !== 'string' || !CODES.has(code)) return `error code ${JSON.stringify(code)}`
    if (typeof message !== 'string' || message === '') return `error message ${JSON.stringify(message)}`
  }
  return /\/tmp\/|node_modules|\bat \S+ \(|ENOENT|EACCES/.test(text)
    ? `tells internals: ${text.slice(0, 300)}`
    : undefined
}

/** Sends each case over a connection of its own, asserts its refusal, and at the end that nothing was made. */
export async function attack(t: Test, tarn: StartedTarn, cases: readonly HostileCase[]): Promise<void> {
  const before = listTree(tarn.directory)
  for (const one of cases) {
    const problem = await runCase(tarn.port, one).catch((error: unknown) => (error as Error).message)
    t.equal(problem, undefined, one.name)
    const alive = await exchange(tarn.port, writeRequest('GET', '/v2/')).catch(() => undefined)
    if (alive?.answers[0]?.status !== 200) t.fail(`the server is gone after: ${one.name}`)
  }
  t.same(listTree(tarn.directory), before, 'no file or directory was made or changed')
}

async function runCase(port: number, one: HostileCase): Promise<string | undefined> {
  const { method = 'GET', path = '/v2/', headers = [], body = '', status } = one
  const bytes = one.raw ?? writeRequest(method, path, headers, body)
  const { answers, closed }: Exchange = await exchange(port, bytes, { methods: [method] })
  if (answers.length === 0) return one.mayClose === true && closed ? undefined : 'closed without an answer'
  for (const answer of answers) {
    const fault = findFault(answer, method, status)
    if (fault !== undefined) return fault
    if (one.code === undefined || method === 'HEAD') continue
    const { errors } = JSON.parse(answer.body.toString()) as { errors: { code: string }[] }
    if (!one.code.includes(errors[0]?.code ?? '')) return `code ${errors[0]?.code}, wanted ${one.code.join(' or ')}`
  }
  return undefined
}

/** Every file and directory below `root` with its size and kind, sorted; the keeper's own files left out. */
export function listTree(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name)
      const name = relative(root, path)
      if (entry.isDirectory()) return `${name}/`
      if (entry.isSymbolicLink()) return `${name} -> ${readlinkSync(path)}`
      return entry.isFile() ? `${name} ${readFileSync(path).length}` : `${name} (special)`
    })
    .filter((line) => !/^data\/\.tarn\/(lock|keeper\.json)/.test(line))
    .toSorted()
}
