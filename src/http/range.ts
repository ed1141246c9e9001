// The Range header of blob requests (RFC 9110 section 14) and distribution's Content-Range of uploads,
// which has no unit. Pure.

export interface ByteRange {
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

/** `ignored`: send the whole; `unsatisfiable`: 416. */
export type RangeResult = { readonly kind: 'ignored' } | { readonly kind: 'unsatisfiable' } | ByteRanges
export interface ByteRanges {
  readonly kind: 'ranges'
  readonly ranges: readonly ByteRange[]
}

// More parts than any client asks for; a request with more gets the whole blob instead.
const MOST_RANGES = 64

/**
 * Reads `Range` for a blob of `size` bytes. Other units than bytes are ignored, as RFC 9110 asks; bytes that are none are
 * 416, as in Go's server and so in distribution.
 */
export function parseRange(header: string | undefined, size: number): RangeResult {
  const list = /^bytes=(.*)$/is.exec(header?.trim() ?? '')?.[1]
  if (list === undefined) return { kind: 'ignored' }
  const specs = list
    .split(',')
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '')
  if (specs.length === 0) return { kind: 'unsatisfiable' }
  if (specs.length > MOST_RANGES) return { kind: 'ignored' }
  const ranges: ByteRange[] = []
  // Clients that ask for several parts, or for every blob in parts and this one is empty, take the whole, but
  // not a 416. Go's server, and so distribution, does the same.
  const unsatisfiable: RangeResult = specs.length > 1 || size === 0 ? { kind: 'ignored' } : { kind: 'unsatisfiable' }
  for (const spec of specs) {
    const match = /^(\d*)-(\d*)$/.exec(spec)
    if (match === null || (match[1] === '' && match[2] === '')) return { kind: 'unsatisfiable' }
    const range = resolve(match[1] ?? '', match[2] ?? '', size)
    if (range === 'backwards') return unsatisfiable
    if (range !== undefined) ranges.push(range)
  }
  if (ranges.length === 0) return unsatisfiable
  // Several ranges that together ask for more than the whole are an attack on bandwidth, or a mistake.
  const asked = ranges.reduce((sum, range) => sum + range.end - range.start, 0)
  return ranges.length > 1 && asked > size ? { kind: 'ignored' } : { kind: 'ranges', ranges }
}

function resolve(first: string, last: string, size: number): ByteRange | 'backwards' | undefined {
  if (first === '') {
    const suffix = Math.min(Number(last), size)
    return suffix === 0 ? undefined : { start: size - suffix, end: size }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return 'backwards'
  if (start >= size) return undefined
  return { start, end: last === '' ? size : Math.min(Number(last) + 1, size) }
}

/** Reads an upload's `Content-Range: <start>-<end>` (inclusive); undefined when it is malformed. */
export function parseContentRange(header: string): { readonly start: number; readonly length: number } | undefined {
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(header.trim())
  if (match === null) return undefined
  const start = Number(match[1])
  const end = Number(match[2])
  return end < start ? undefined : { start, length: end - start + 1 }
}

/** The `Range` of an upload's answers: what is there, inclusive. Nothing is "0-0", as in distribution. */
export function formatReceived(received: number): string {
  return `0-${Math.max(received - 1, 0)}`
}
