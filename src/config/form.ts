// The grammars that strings of the configuration follow, each with what to say when one does not. A form may
// normalise a value; it must never look anything up.
import { Cron } from 'croner'
import semver from 'semver'
import { parseListenAddress } from './address.ts'
import { isGlob } from '../oci/glob.ts'
import { isRepositoryName } from '../oci/name.ts'
import { isTag } from '../oci/reference.ts'
import { parseBytes, parseRoom } from './bytes.ts'
import { parseImageSource } from './image-source.ts'
import { compilePattern } from './pattern.ts'
import { readRegistryHost } from './registry-host.ts'
import { parseWindows } from './window.ts'

interface Form {
  /** The value to keep, or undefined when the text is not of this form. */
  read(text: string): string | undefined
  readonly expected: string
  readonly hint: string
}

/** `/path/`, with both slashes however it was written; the root is `/`. */
function readPrefix(text: string): string | undefined {
  if (!/^[\w.~/-]*$/u.test(text)) return undefined
  const segments = text.split('/').filter((segment) => segment !== '')
  if (segments.includes('.') || segments.includes('..')) return undefined
  return segments.length === 0 ? '/' : `/${segments.join('/')}/`
}

/** `scheme://host[:port][/path]`, without login: it is sent to every client in `Location`. */
function readOrigin(text: string): string | undefined {
  const url = readUrl(text)
  if (url === undefined || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    return undefined
  return text.replace(/\/+$/u, '')
}

/** `scheme://host[:port]` alone. */
function readBareOrigin(text: string): string | undefined {
  const origin = readOrigin(text)
  return origin !== undefined && readUrl(origin)?.pathname === '/' ? origin : undefined
}

/** A share of the disk or an amount, one of them and not nothing. */
function isBound(text: string): boolean {
  const room = /\s/u.test(text.trim()) ? undefined : parseRoom(text)
  return room !== undefined && room.share > 0 && room.bytes > 0
}

function readUrl(text: string): URL | undefined {
  const url = URL.parse(text)
  return url !== null && /^https?:\/\/[^/]/u.test(text) && /^https?:$/u.test(url.protocol) ? url : undefined
}

/** `off`, or five fields of cron in local time. */
function isSchedule(text: string): boolean {
  if (text === 'off') return true
  try {
    return new Cron(text, { paused: true, mode: '5-part' }).nextRun() !== null
  } catch {
    return false
  }
}

/** A pattern whose brackets are closed: another one would match nothing and nobody would notice. */
function isGlobOfNames(text: string): boolean {
  return isClosed(text) && /^[a-z0-9._/*?{},[\]!-]+$/u.test(text) && !text.startsWith('/')
}

function isGlobOfTags(text: string): boolean {
  if (!isGlob(text)) return isTag(text)
  return isClosed(text) && /^[\w.*?{},[\]!-]+$/u.test(text)
}

function isClosed(glob: string): boolean {
  return /^(?:[^{}[\]]|\{[^{}]+\}|\[[^[\]]+\])+$/u.test(glob)
}

/** A share of a whole, as `10%`. */
function isShare(text: string): boolean {
  const [, percent] = /^(\d+(?:\.\d+)?)%$/u.exec(text) ?? []
  return percent !== undefined && Number(percent) <= 100
}

function keepIf(text: string, good: boolean): string | undefined {
  return good ? text : undefined
}

export const FORMS = {
  address: {
    read: (text) => keepIf(text, parseListenAddress(text) !== undefined),
    expected: 'expected :PORT, HOST:PORT or [IPV6]:PORT',
    hint: 'write ":5000", "127.0.0.1:5000" or "[::1]:5000" (the last one in quotes)',
  },
  target: {
    read: (text) => keepIf(text, parseListenAddress(text)?.host !== undefined),
    expected: 'expected HOST:PORT',
    hint: 'write "db.example.com:5432" or "[::1]:5432"',
  },
  prefix: {
    read: readPrefix,
    expected: 'expected a path such as /mirror/',
    hint: 'write the part of the URL before /v2/, with letters, digits, dots, dashes and slashes',
  },
  origin: {
    read: readOrigin,
    expected: 'expected a URL such as https://registry.example.com:5000, without login, query or fragment',
    hint: 'write what clients put before /v2/, with https:// or http:// in front',
  },
  upstream: {
    read: readOrigin,
    expected: 'expected a URL such as https://registry.example.com, without login, query or fragment',
    hint: 'write "https://registry.example.com:5000"; a login has keys of its own',
  },
  bareOrigin: {
    read: readBareOrigin,
    expected: 'expected scheme and host such as https://auth.example.com',
    hint: 'write "https://auth.example.com", without a path',
  },
  registry: {
    read: readRegistryHost,
    expected: 'expected the name of a registry as image names have it',
    hint: 'write quay.io or registry.example.com:5000, without https:// and without a path',
  },
  repository: {
    read: (text) => keepIf(text, isRepositoryName(text)),
    expected: 'expected a path that repositories can have',
    hint: 'write lower-case letters, digits and single separators ". _ __ -" between "/", such as mirrors/quay.io',
  },
  platform: {
    read: (text) => keepIf(text, /^[a-z\d]+\/[a-z\d]+(?:\/[a-z\d.]+)?$/u.test(text)),
    expected: 'expected OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT',
    hint: 'write linux/amd64 or linux/arm64/v8',
  },
  bound: {
    read: (text) => keepIf(text, isBound(text)),
    expected: 'expected a share of the disk or a number of bytes, more than 0',
    hint: 'write 80% or 500GiB',
  },
  uri: {
    read: (text) => keepIf(text, readUrl(text) !== undefined),
    expected: 'expected an http or https URL',
    hint: 'write "https://host/path"',
  },
  path: {
    read: (text) => keepIf(text, /^\/[\w.~/-]*$/u.test(text)),
    expected: 'expected a path that begins with /',
    hint: 'write /metrics',
  },
  // RFC 9110 5.5: what may stand in a header; Node refuses the rest only when the first answer is sent.
  header: {
    read: (text) => keepIf(text, /^[\t\u0020-\u007e\u0080-\u00ff]*$/u.test(text)),
    expected: 'not a header value (RFC 9110): it holds a control character or one beyond Latin-1',
    hint: 'write one line of plain text',
  },
  // The realm is sent inside a quoted string of WWW-Authenticate.
  realm: {
    read: (text) => keepIf(text, /^[\u0020\u0021\u0023-\u005b\u005d-\u007e]*$/u.test(text)),
    expected: 'expected plain ASCII text without quotes and backslashes',
    hint: 'write "Registry Realm"',
  },
  schedule: {
    read: (text) => keepIf(text, isSchedule(text)),
    expected: 'expected five fields of cron that come true some day, or off',
    hint: 'write "0 3 * * *" for every day at three in the morning, local time',
  },
  glob: {
    read: (text) => keepIf(text, isGlobOfNames(text)),
    expected: 'expected a pattern of repository names',
    hint: 'write team/app, team/* (one level) or team/** (all levels)',
  },
  source: {
    read: (text) => keepIf(text, parseImageSource(text) !== undefined),
    expected: 'expected an image, a repository or a registry, with the name of the registry in front',
    hint: 'write docker.io/library/alpine, quay.io/org/app:v1, quay.io/org/app@sha256:… or registry.example.com:5000',
  },
  tag: {
    read: (text) => keepIf(text, isTag(text)),
    expected: 'expected a tag',
    hint: 'write up to 128 letters, digits, "_", "." and "-", such as v1.2',
  },
  tagGlob: {
    read: (text) => keepIf(text, isGlobOfTags(text)),
    expected: 'expected a tag or a pattern of tags',
    hint: 'write "3.20", "3.*" or "{latest,stable}"; regular expressions go to allow and deny',
  },
  versionRange: {
    read: (text) => keepIf(text, semver.validRange(text) !== null),
    expected: 'expected a range of versions',
    hint: 'write ">=3.18", "^1.2", "~4.16" or ">=1.2 <2 || 3.x"',
  },
  window: {
    read: (text) => keepIf(text, parseWindows(text) !== undefined),
    expected: 'expected times of the day',
    hint: 'write "22:00-06:00", or several as "12:00-13:00, 22:00-06:00", local time',
  },
  share: {
    read: (text) => keepIf(text, isShare(text)),
    expected: 'expected a share',
    hint: 'write 10%',
  },
  bytes: {
    read: (text) => keepIf(text, parseBytes(text) !== undefined),
    expected: 'expected a number of bytes',
    hint: 'write 20MB, 5GiB or 0',
  },
  room: {
    read: (text) => keepIf(text, parseRoom(text) !== undefined),
    expected: 'expected a share of the disk or a number of bytes',
    hint: 'write 5%, 10GiB, or both as "5% 10GiB": the smaller one counts',
  },
  pattern: {
    read: (text) => keepIf(text, compilePattern(text) !== undefined),
    expected: 'not a regular expression that means the same here as in distribution',
    hint: 'use the common ground of RE2 and JavaScript: no \\A, \\z, \\Q, [[:alpha:]] or (?U)',
  },
} as const satisfies Record<string, Form>

export type FormName = keyof typeof FORMS

/** The form of that name. */
export function formOf(name: FormName): Form {
  return FORMS[name]
}
