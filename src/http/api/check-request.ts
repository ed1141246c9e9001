// What a request to the admin API must be before its body counts: a web page of a stranger can make a browser send
// requests with the user's login, but not with this content type nor with our origin (I7).
import type { FastifyReply, FastifyRequest } from 'fastify'
import { registryError } from '../../oci/errors.ts'
import { readWhole } from '../body.ts'
import { refuse } from './check-options.ts'

const LARGEST_BODY = 65_536

/** Throws 403 for another origin and 415 for another type. `host` is what `http.host` configures, if it does. */
export function requireOwnOrigin(request: FastifyRequest, host: string): void {
  const { origin, 'content-type': type = '', 'sec-fetch-site': site } = request.headers
  const isOwn = origin === undefined || hostOf(origin) === (host === '' ? request.headers.host : hostOf(host))
  if (!isOwn || (site !== undefined && site !== 'same-origin' && site !== 'none')) {
    throw registryError('DENIED', { message: 'the request comes from a page of another origin' })
  }
  if (!/^application\/json(?: *; *charset="?utf-8"?)?$/i.test(type)) {
    throw registryError('UNSUPPORTED', { status: 415, message: 'the content type must be application/json' })
  }
}

function hostOf(origin: string): string | undefined {
  return URL.parse(origin)?.host
}

/** The JSON value of the body; that of `{}` where there is none. Throws 400 and, for more than 64 KiB, 413. */
export async function readJson(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const bytes = await readWhole(request, reply, LARGEST_BODY, 'body')
  if (bytes.byteLength === 0) return {}
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw refuse('the body is not JSON')
  }
}
