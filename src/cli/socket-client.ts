// Speaks to the registry over its local socket: one request a call, answers as JSON or as a stream of events. It
// trusts a socket only when nobody else could have put it there.
import type { ClientRequest, IncomingMessage } from 'node:http'
import { request as requestHttp } from 'node:http'
import { createInterface } from 'node:readline'
import { Readable, pipeline } from 'node:stream'
import { Problem } from '../config/problem.ts'
import type { ActEvent, ArchiveBody } from '../http/api/given.ts'

const SEND_BYTES = 1024 * 1024

export interface SocketCall {
  readonly socketPath: string
  /** `METHOD /path`, as in the table of routes. */
  readonly name: string
  readonly options: object
  readonly onEvent: (event: ActEvent) => void
  /** Goes as the body; the options are then the query. */
  readonly archive?: ArchiveBody | undefined
  /** Milliseconds within which the answer must begin; without it as long as it takes. */
  readonly within?: number
}

/**
 * Gives the report of a call. Throws a Problem with the registry's own words, and the system's error when nobody can be
 * reached.
 */
export async function callSocket(call: SocketCall): Promise<unknown> {
  const { onEvent } = call
  let failure: unknown
  const response = await send(call, (error) => (failure = error))
  if (response.headers['content-type'] === 'application/x-ndjson') {
    return readEvents(response, onEvent).catch((error: unknown) => {
      // What could not be read here is the reason of whatever the registry says of the rest.
      throw failure ?? error
    })
  }
  const text = await readText(response)
  if (response.statusCode === 200) return JSON.parse(text)
  throw new Problem(messageOf(text) ?? `the registry answered ${response.statusCode}`, {
    exitCode: response.statusCode === 400 ? 2 : 1,
  })
}

function send(
  { socketPath, name, options, within, archive }: SocketCall,
  onBodyFailure: (error: unknown) => void,
): Promise<IncomingMessage> {
  const [method = '', path = ''] = name.split(' ')
  return new Promise((resolve, reject) => {
    const body = method === 'GET' || archive !== undefined ? undefined : Buffer.from(JSON.stringify(options))
    const headers =
      archive === undefined
        ? body && { 'content-type': 'application/json', 'content-length': body.byteLength }
        : { 'content-type': 'application/x-tar', ...(archive.size !== undefined && { 'content-length': archive.size }) }
    const query = archive === undefined ? '' : formatQuery(options)
    const to = { socketPath, method, path: `/api/v1${path}${query}`, headers: headers ?? {}, agent: false as const }
    const request = requestHttp(to, (response) => {
      request.setTimeout(0)
      resolve(response)
    })
    if (within !== undefined) {
      request.setTimeout(within, () => request.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })))
    }
    // After the answer began, what is wrong with the rest of the body is told by that.
    request.on('error', reject)
    if (archive === undefined) request.end(body)
    else sendArchive(archive, request, onBodyFailure)
  })
}

function sendArchive(archive: ArchiveBody, request: ClientRequest, onFailure: (error: unknown) => void): void {
  const watched = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* archive.bytes
    } catch (error) {
      onFailure(error)
      throw error
    }
  }
  pipeline(Readable.from(watched(), { objectMode: false, highWaterMark: SEND_BYTES }), request, () => undefined)
}

/** `?dryRun=true`; nothing for options that are not given. */
function formatQuery(options: object): string {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(options)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) query.append(key, String(one))
  }
  return query.size === 0 ? '' : `?${query.toString()}`
}

async function readText(response: IncomingMessage): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of response) parts.push(part as Uint8Array)
  return Buffer.concat(parts).toString()
}

async function readEvents(response: IncomingMessage, onEvent: (event: ActEvent) => void): Promise<unknown> {
  const lines = createInterface({ input: response, crlfDelay: Infinity })
  // readline does not pass on what goes wrong with its input.
  const broken = new Promise<never>((_resolve, reject) => response.once('error', reject))
  broken.catch(() => undefined)
  const read = async (): Promise<unknown> => {
    for await (const line of lines) {
      const { event, ...rest } = JSON.parse(line) as { event: string } & Record<string, unknown>
      if (event === 'report') return rest['report']
      if (event === 'error') throw toProblem(rest)
      onEvent(rest as unknown as ActEvent)
    }
    throw cutShort()
  }
  try {
    return await Promise.race([read(), broken])
  } catch (error) {
    throw error instanceof Problem ? error : cutShort(error)
  } finally {
    lines.close()
    response.destroy()
  }
}

function cutShort(cause?: unknown): Problem {
  return new Problem('the registry ended before its work did', {
    hint: 'nothing is half done: give the command again when it runs; the rest is then done too',
    ...(cause === undefined ? {} : { cause }),
  })
}

function toProblem({ message, hint, exitCode }: Readonly<Record<string, unknown>>): Problem {
  return new Problem(String(message), {
    ...(typeof hint === 'string' ? { hint } : {}),
    ...(typeof exitCode === 'number' ? { exitCode } : {}),
  })
}

function messageOf(text: string): string | undefined {
  try {
    const { errors } = JSON.parse(text) as { errors?: { message?: string }[] }
    return errors?.[0]?.message
  } catch {
    return undefined
  }
}
