// What a request to the admin API must be before its body counts: a web page of a stranger can make a browser send
// requests with the user's login, but not with this content type nor with our origin (I7).
import type { FastifyReply, FastifyRequest } from 'fastify'
import { registryError } from '../../oci/errors.ts'
import { readWhole } from '../body.ts'
import { refuse } from './check-options.ts'

const LARGEST_BODY = 65_536
// Neither is one that a form of a web page can send.
const JSON_TYPE = /^application\/json(?: *; *charset="?utf-8"?)?$/i
const ARCHIVE_TYPE = /^application\/x-tar$/i

/** Throws 403 for another origin and 415 for another type. `host` is what `http.host` configures, if it does. */
export function requireOwnOrigin(request: FastifyRequest, host: string, takes?: 'archive'): void {
  const { origin, 'content-type': type = '', 'sec-fetch-site': site } = request.headers
  const isOwn = origin === undefined || hostOf(origin) === (host === '' ? request.headers.host : hostOf(host))
  if (!isOwn || (site !== undefined && site !== 'same-origin' && site !== 'none')) {
    throw registryError('DENIED', { message: 'the request comes from a page of another origin' })
  }
  if (!(takes === 'archive' ? ARCHIVE_TYPE : JSON_TYPE).test(type)) {
    const wanted = takes === 'archive' ? 'application/x-tar' : 'application/json'
    throw registryError('UNSUPPORTED', { status: 415, message: `the content type must be ${wanted}` })
  }
}

/** The options of a request whose body is something else: `?dryRun=true&tag=a&tag=b`. Throws 400 for one without a value. */
export function readQuery(url: string): Readonly<Record<string, unknown>> {
  const options: Record<string, unknown> = {}
  const query = new URLSearchParams(url.split('?')[1] ?? '')
  for (const key of new Set(query.keys())) {
    const values = query.getAll(key)
    const [value = ''] = values
    if (values.length > 1) options[key] = values
    else if (value === 'true' || value === 'false') options[key] = value === 'true'
    else if (value === '') throw refuse(`the option ${JSON.stringify(key)} has no value`)
    else options[key] = value
  }
  return options
}

function hostOf(origin: string): string | undefined {
  return URL.parse(origin)?.host
}

/**
 * The JSON value of the body; that of `{}` where there is none. Throws 400 and, for more than `largest` bytes (64 KiB
 * unless told), 413.
 */
export async function readJson(
  request: FastifyRequest,
  reply: FastifyReply,
  { largest = LARGEST_BODY }: { readonly largest?: number | undefined } = {},
): Promise<unknown> {
  const bytes = await readWhole(request, reply, largest, 'body')
  if (bytes.byteLength === 0) return {}
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw refuse('the body is not JSON')
  }
}
