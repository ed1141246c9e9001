// WWW-Authenticate (RFC 9110 section 11.6.1): what a remote registry asks for. One scanner, linear in time; what it
// cannot read it leaves out, and it never guesses.

export interface Challenge {
  /** In lower case. */
  readonly scheme: string
  /** Names in lower case; of a name that comes twice the first counts. */
  readonly parameters: ReadonlyMap<string, string>
}

const MOST_CHARACTERS = 8192
const MOST_CHALLENGES = 16
const MOST_PARAMETERS = 32
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))/y
const SPACE = /[ \t]*/y
const COMMAS = /[ \t,]*/y

interface Scan {
  readonly text: string
  at: number
}

/** Reads one or several header lines. Longer lines than 8 KiB are left out whole; at most 16 challenges come back. */
export function parseChallenges(header: string | readonly string[] | undefined): Challenge[] {
  const lines = typeof header === 'string' ? [header] : (header ?? [])
  const found: Challenge[] = []
  for (const line of lines) {
    if (line.length > MOST_CHARACTERS) continue
    found.push(...readLine(line))
    if (found.length >= MOST_CHALLENGES) break
  }
  return found.slice(0, MOST_CHALLENGES)
}

function readLine(text: string): Challenge[] {
  const scan: Scan = { text, at: 0 }
  const found: Challenge[] = []
  take(scan, COMMAS)
  while (scan.at < text.length && found.length < MOST_CHALLENGES) {
    const scheme = take(scan, TOKEN)
    if (scheme === '' || scan.text[scan.at] === '=') break
    const parameters = new Map<string, string>()
    const whole = readParameters(scan, parameters)
    found.push({ scheme: scheme.toLowerCase(), parameters })
    if (!whole) break
  }
  return found
}

/** Reads parameters up to the next scheme or the end; false when the rest cannot be read. */
function readParameters(scan: Scan, parameters: Map<string, string>): boolean {
  let first = true
  for (;;) {
    const before = scan.at
    const comma = take(scan, COMMAS).includes(',')
    if (scan.at === scan.text.length) return true
    const start = scan.at
    const name = take(scan, TOKEN)
    take(scan, SPACE)
    if (name === '' || scan.text[scan.at] !== '=' || isToken68(scan, start, first)) {
      // A token without "=" after a comma begins the next challenge.
      scan.at = start
      if (name !== '' && comma) return true
      if (first && before !== start && take(scan, TOKEN68) !== '')
        return take(scan, COMMAS).includes(',') || atEnd(scan)
      return false
    }
    scan.at += 1
    take(scan, SPACE)
    const value = scan.text[scan.at] === '"' ? readQuoted(scan) : take(scan, TOKEN)
    if (value === undefined || (value === '' && scan.text[scan.at - 1] !== '"')) return false
    if (parameters.size < MOST_PARAMETERS && !parameters.has(name.toLowerCase()))
      parameters.set(name.toLowerCase(), value)
    first = false
  }
}

/** `Scheme abc=` holds a token68, not a parameter with an empty value. */
function isToken68(scan: Scan, start: number, first: boolean): boolean {
  if (!first) return false
  TOKEN68.lastIndex = start
  return TOKEN68.test(scan.text)
}

function readQuoted(scan: Scan): string | undefined {
  let value = ''
  for (scan.at += 1; scan.at < scan.text.length; scan.at += 1) {
    const character = scan.text[scan.at] ?? ''
    if (character === '"') {
      scan.at += 1
      return value
    }
    if (character === '\\') scan.at += 1
    value += scan.text[scan.at] ?? ''
  }
  return undefined
}

function take(scan: Scan, pattern: RegExp): string {
  pattern.lastIndex = scan.at
  const [found = ''] = pattern.exec(scan.text) ?? []
  scan.at += found.length
  return found
}

function atEnd(scan: Scan): boolean {
  return scan.at === scan.text.length
}
