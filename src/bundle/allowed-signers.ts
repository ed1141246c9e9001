// Who may sign bundles: OpenSSH's allowed_signers file (ssh-keygen(1), "ALLOWED SIGNERS"), as far as it is about keys. A
// line that is not understood stops everything: to pass over it could take an option, such as an end, from a key.
import { Problem } from '../config/problem.ts'
import { makeFlaw } from './flaw.ts'
import { NAMESPACE } from './signature.ts'
import type { SshPublicKey } from './ssh-key.ts'
import { fingerprint } from './ssh-key.ts'

export interface AllowedSigner {
  /** As the file writes them: `tarn`, `admin@example.org`. */
  readonly principals: string
  /** The key in base64. */
  readonly key: string
  /** Of namespaces, patterns too; undefined: any. */
  readonly namespaces: readonly string[] | undefined
  /** Milliseconds since 1970. */
  readonly validAfter: number | undefined
  readonly validBefore: number | undefined
}

/** Reads the file. Throws a Problem that names the line which is wrong; `path` is for that. */
export function parseAllowedSigners(text: string, path: string): AllowedSigner[] {
  return text.split('\n').flatMap((line, at) => {
    const words = splitWords(line.trim())
    if (words.length === 0 || words[0]?.startsWith('#')) return []
    try {
      return [readLine(words)]
    } catch (error) {
      throw new Problem(`${path} line ${at + 1}: ${(error as Error).message}`, {
        hint: 'a line is: NAME [namespaces="tarn-bundle"] ssh-ed25519 AAAA…; tarn bundle keygen prints one',
      })
    }
  })
}

/** The one of `signers` whose key signed, at `now` (milliseconds since 1970). Throws a flaw when there is none. */
export function requireAllowed(signers: readonly AllowedSigner[], key: SshPublicKey, now: number): AllowedSigner {
  const wire = key.wire.toString('base64')
  const own = signers.filter((signer) => signer.key === wire)
  const found = own.find((signer) => isValid(signer, now))
  if (found !== undefined) return found
  const why =
    own.length === 0
      ? 'no line of allowed_signers names it'
      : 'its line in allowed_signers is not for now, or not for bundles'
  throw makeFlaw(`the bundle is signed by ${fingerprint(key)}, and ${why}`, {
    hint: 'if that is the key of your sender, add its line to auth/allowed_signers; else do not take the bundle',
  })
}

function isValid({ namespaces, validAfter = -Infinity, validBefore = Infinity }: AllowedSigner, now: number): boolean {
  const isForBundles = namespaces?.some((pattern) => matchesPattern(NAMESPACE, pattern)) ?? true
  return isForBundles && now >= validAfter && now < validBefore
}

// OpenSSH's PATTERNS: `*` and `?`.
function matchesPattern(text: string, pattern: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`).test(text)
}

function readLine(words: readonly string[]): AllowedSigner {
  const [principals = '', second = '', ...others] = words
  const isKeyType = (word: string): boolean => /^(?:ssh-|ecdsa-|sk-)/.test(word)
  const options = isKeyType(second) ? '' : second
  const [type = '', key = ''] = isKeyType(second) ? [second, ...others] : others
  if (!isKeyType(type)) throw new Error('there is no key')
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key)) throw new Error('the key is not in base64')
  let namespaces: readonly string[] | undefined
  let validAfter: number | undefined
  let validBefore: number | undefined
  for (const [name, value] of options === '' ? [] : splitOptions(options)) {
    if (name === 'namespaces') namespaces = value.split(',')
    else if (name === 'valid-after') validAfter = readTime(value)
    else if (name === 'valid-before') validBefore = readTime(value)
    else if (name === 'cert-authority') throw new Error('certificates (cert-authority) are not supported')
    else throw new Error(`the option ${JSON.stringify(name)} is not known`)
  }
  return { principals, key, namespaces, validAfter, validBefore }
}

/** Splits at white space outside quotes. */
function splitWords(line: string): string[] {
  return line.match(/(?:[^\s"]|"[^"]*")+/g) ?? []
}

function splitOptions(text: string): (readonly [string, string])[] {
  return (text.match(/(?:[^,"]|"[^"]*")+/g) ?? []).map((option) => {
    const equals = option.indexOf('=')
    if (equals < 0) return [option.toLowerCase(), ''] as const
    return [option.slice(0, equals).toLowerCase(), option.slice(equals + 1).replace(/^"|"$/g, '')] as const
  })
}

/** `YYYYMMDD[HHMM[SS]][Z]`; without Z in the local time zone. */
function readTime(text: string): number {
  const [, year, month, day, hour = '00', minute = '00', second = '00', zone = ''] =
    /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z?)$/.exec(text) ?? []
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone}`)
  if (Number.isNaN(time)) throw new Error(`${JSON.stringify(text)} is no time: YYYYMMDD[HHMM[SS]][Z]`)
  return time
}
