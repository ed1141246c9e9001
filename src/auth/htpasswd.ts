// The text of an htpasswd file as a table of users. Only bcrypt counts: MD5, SHA-1 and crypt lines are refused
// (they are too quick to guess). A hash must never get into a message.

export interface Htpasswd {
  /** Hash by user. A Map, so that a user called `__proto__` is only a name. */
  readonly users: ReadonlyMap<string, string>
  /** The highest bcrypt cost among the users; 10 when there is none. */
  readonly highestCost: number
  readonly refused: readonly RefusedLine[]
}

export interface RefusedLine {
  /** Counted from 1. */
  readonly line: number
  /** Undefined for a line without a colon. */
  readonly user: string | undefined
  readonly reason: string
}

// Cost 4 is bcrypt's lowest; a check at cost 15 takes over two seconds, and more would be an attack on ourselves.
const BCRYPT = /^\$2[aby]\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}$/
const DEFAULT_COST = 10

/** The cost of a hash that `parseHtpasswd` accepted; undefined for any other text. */
export function costOf(hash: string): number | undefined {
  const cost = BCRYPT.exec(hash)?.[1]
  return cost === undefined ? undefined : Number(cost)
}

/** Splits a line as distribution does: blanks around it do not count, the first colon ends the name. */
export function splitLine(line: string): { user: string; hash: string } | 'nothing' | 'broken' {
  const trimmed = line.trim()
  if (trimmed === '' || trimmed.startsWith('#')) return 'nothing'
  const colon = trimmed.indexOf(':')
  if (colon < 1) return 'broken'
  return { user: trimmed.slice(0, colon), hash: trimmed.slice(colon + 1) }
}

/** Reads the text of an htpasswd file. Of two lines for one user the later counts, as in distribution. Never throws. */
export function parseHtpasswd(text: string): Htpasswd {
  const users = new Map<string, string>()
  const refused: RefusedLine[] = []
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const parts = splitLine(line)
    if (parts === 'nothing') continue
    if (parts === 'broken') {
      refused.push({ line: index + 1, user: undefined, reason: 'is not user:hash' })
      continue
    }
    if (costOf(parts.hash) === undefined) {
      // A later line of this user that is no good takes the earlier one away: whoever wrote it meant to.
      users.delete(parts.user)
      refused.push({ line: index + 1, user: parts.user, reason: 'is not a bcrypt hash of cost 4 to 15' })
    } else {
      users.set(parts.user, parts.hash)
    }
  }
  const costs = [...users.values()].map((hash) => costOf(hash) ?? 0)
  return { users, refused, highestCost: costs.length === 0 ? DEFAULT_COST : costs.reduce((a, b) => Math.max(a, b)) }
}

/** The text with `user` given `hash`: the user's line is replaced where it stands, else one is added; all else stays. */
export function setUser(text: string, user: string, hash: string): string {
  const lines = text.split('\n')
  const last = lines.findLastIndex((line) => isLineOf(line, user))
  if (last === -1) return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${user}:${hash}\n`
  return lines
    .map((line, index) => (index === last ? `${user}:${hash}` : line))
    .filter((line, index) => index === last || !isLineOf(line, user))
    .join('\n')
}

/** The text without the lines of `user`; undefined when there is none. */
export function removeUser(text: string, user: string): string | undefined {
  const lines = text.split('\n')
  const kept = lines.filter((line) => !isLineOf(line, user))
  return kept.length === lines.length ? undefined : kept.join('\n')
}

function isLineOf(line: string, user: string): boolean {
  const parts = splitLine(line)
  return typeof parts === 'object' && parts.user === user
}
