// Reads the path of a /v2 request as it came over the wire. No router decodes it before: what reaches the
// store went through one decoding of three escapes and the grammars of name, reference and digest, and
// nothing else. Pure: no I/O, no HTTP.
import { RegistryError, registryError } from '../oci/errors.ts'

/** What a path names. Names, references and digests are still text: their parsers come next. */
export type Target =
  | { readonly kind: 'base' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'tags'; readonly name: string }
  | { readonly kind: 'manifest'; readonly name: string; readonly reference: string }
  | { readonly kind: 'blob'; readonly name: string; readonly digest: string }
  | { readonly kind: 'uploads'; readonly name: string }
  | { readonly kind: 'upload'; readonly name: string; readonly id: string }
  | { readonly kind: 'referrers'; readonly name: string; readonly digest: string }
  /** A path that would mean something when cleaned; `to` is that path, with the query. */
  | { readonly kind: 'redirect'; readonly to: string }
  | { readonly kind: 'invalid'; readonly error: RegistryError }

export type Kind = Target['kind']

// "/" in a name, ":" in a digest, "+": clients escape these three. Any other escape is no part of any name.
const ESCAPES: Readonly<Record<string, string>> = { '%2f': '/', '%3a': ':', '%2b': '+' }

/** Reads a request target (`/v2/…?query`), after the configured prefix was taken off. */
export function parsePath(url: string): Target {
  const question = url.indexOf('?')
  const raw = question < 0 ? url : url.slice(0, question)
  let foreign = false
  const path = raw.replace(/%.{0,2}/g, (escape) => {
    const decoded = ESCAPES[escape.toLowerCase()]
    if (decoded === undefined) foreign = true
    return decoded ?? ''
  })
  if (foreign) {
    return invalid('NAME_INVALID', 'invalid path: only %2F, %3A and %2B may be escaped in it')
  }
  if (question >= 0 && !isDecodable(url.slice(question + 1))) {
    return invalid('UNSUPPORTED', 'invalid query: it has an escape that stands for no character')
  }
  const parts = path.split('/').slice(1)
  if (parts.length === 1 || (parts.length === 2 && parts[1] === '')) return { kind: 'base' }
  const target = readParts(parts.slice(1))
  if (target !== undefined) return target
  const clean = cleanPath(parts)
  if (clean !== undefined && clean !== path && readParts(clean.split('/').slice(2)) !== undefined) {
    return { kind: 'redirect', to: clean + (question < 0 ? '' : url.slice(question)) }
  }
  return { kind: 'invalid', error: registryError('NAME_UNKNOWN', { message: 'no such endpoint of the registry API' }) }
}

// From the end, because a repository may have components that are words of the API.
function readParts(parts: readonly string[]): Target | undefined {
  const last = parts.at(-1) ?? ''
  const before = parts.at(-2)
  if (parts.length === 1 && last === '_catalog') return { kind: 'catalog' }
  if (parts.some((part, index) => part === '.' || part === '..' || (part === '' && index < parts.length - 1))) {
    return undefined
  }
  if (before === 'uploads' && parts.at(-3) === 'blobs' && parts.length > 3) {
    const name = parts.slice(0, -3).join('/')
    return last === '' ? { kind: 'uploads', name } : { kind: 'upload', name, id: last }
  }
  if (last === 'uploads' && before === 'blobs' && parts.length > 2) {
    return { kind: 'uploads', name: parts.slice(0, -2).join('/') }
  }
  if (last === '' || parts.length < 3) return undefined
  const name = parts.slice(0, -2).join('/')
  if (before === 'tags' && last === 'list') return { kind: 'tags', name }
  if (before === 'manifests') return { kind: 'manifest', name, reference: last }
  if (before === 'blobs') return { kind: 'blob', name, digest: last }
  if (before === 'referrers') return { kind: 'referrers', name, digest: last }
  return undefined
}

// distribution cleans "//", "." and ".." and takes a trailing slash off, with a redirect. A path that
// would leave /v2 is not cleaned.
function cleanPath(parts: readonly string[]): string | undefined {
  const clean: string[] = []
  for (const part of parts) {
    if (part === '..') clean.pop()
    else if (part !== '' && part !== '.') clean.push(part)
  }
  return clean[0] === 'v2' && clean.length > 1 ? `/${clean.join('/')}` : undefined
}

function invalid(code: 'NAME_INVALID' | 'UNSUPPORTED', message: string): Target {
  return { kind: 'invalid', error: registryError(code, { status: 400, message }) }
}

function isDecodable(text: string): boolean {
  if (!text.includes('%')) return true
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/** The query of a request target. "+" stands for itself: media types have it, and no value has spaces. */
export function parseQuery(url: string): URLSearchParams {
  const question = url.indexOf('?')
  return new URLSearchParams(question < 0 ? '' : url.slice(question + 1).replaceAll('+', '%2B'))
}
