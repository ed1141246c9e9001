// Speaks to the registry over its local socket: one request a call, answers as JSON or as a stream of events. It
// trusts a socket only when nobody else could have put it there.
import type { IncomingMessage } from 'node:http'
import { request as requestHttp } from 'node:http'
import { createInterface } from 'node:readline'
import { Problem } from '../config/problem.ts'
import type { ActEvent } from '../http/api/given.ts'

export interface SocketCall {
  readonly socketPath: string
  /** `METHOD /path`, as in the table of routes. */
  readonly name: string
  readonly options: object
  readonly onEvent: (event: ActEvent) => void
  /** Milliseconds within which the answer must begin; without it as long as it takes. */
  readonly within?: number
}

/**
 * Gives the report of a call. Throws a Problem with the registry's own words, and the system's error when nobody can be
 * reached.
 */
export async function callSocket(call: SocketCall): Promise<unknown> {
  const { onEvent } = call
  const response = await send(call)
  if (response.headers['content-type'] === 'application/x-ndjson') return readEvents(response, onEvent)
  const text = await readText(response)
  if (response.statusCode === 200) return JSON.parse(text)
  throw new Problem(messageOf(text) ?? `the registry answered ${response.statusCode}`, {
    exitCode: response.statusCode === 400 ? 2 : 1,
  })
}

function send({ socketPath, name, options, within }: SocketCall): Promise<IncomingMessage> {
  const [method = '', path = ''] = name.split(' ')
  return new Promise((resolve, reject) => {
    const body = method === 'GET' ? undefined : Buffer.from(JSON.stringify(options))
    const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.byteLength }
    const to = { socketPath, method, path: `/api/v1${path}`, headers, agent: false as const }
    const request = requestHttp(to, (response) => {
      request.setTimeout(0)
      resolve(response)
    })
    if (within !== undefined) {
      request.setTimeout(within, () => request.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })))
    }
    request.once('error', reject)
    request.end(body)
  })
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

function toProblem({ message, hint }: Readonly<Record<string, unknown>>): Problem {
  return new Problem(String(message), typeof hint === 'string' ? { hint } : {})
}

function messageOf(text: string): string | undefined {
  try {
    const { errors } = JSON.parse(text) as { errors?: { message?: string }[] }
    return errors?.[0]?.message
  } catch {
    return undefined
  }
}
