// Manifests come from strangers and are read by many parsers. This one takes only JSON that all of them read
// alike: real UTF-8, no key twice in an object, not deep. It needs linear time and no recursion, and leaves
// only single strings, numbers and words to JSON.parse.
import type { RegistryError } from './errors.ts'
import { registryError } from './errors.ts'

// The largest list that is taken has 10,000 children of some ten values each.
const MOST_VALUES = 200_000
const DEEPEST = 32
const LONGEST_QUOTE = 64

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_ARRAY = 0x5b
const BACKSLASH = 0x5c
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** Whether a document is being pushed (anything doubtful is refused) or was stored by another program. */
export type Strictness = 'strict' | 'tolerant'

/** An array or object that is not closed yet. */
type Frame = ArrayFrame | ObjectFrame

interface ArrayFrame {
  readonly elements: unknown[]
  readonly members?: never
}

interface ObjectFrame {
  readonly members: Record<string, unknown>
  readonly elements?: never
  /** Of the member whose value comes next. */
  key: string
}

interface Reading {
  readonly text: string
  readonly strictness: Strictness
  readonly frames: Frame[]
  at: number
  /** Values read so far. */
  count: number
}

/** The error for a document that cannot be taken as it is. */
export function makeInvalid(message: string, cause?: unknown): RegistryError {
  return registryError('MANIFEST_INVALID', { message: `manifest invalid: ${message}`, cause })
}

/** Shows a stranger's text in a message: quoted, escaped, and short whatever its length. */
export function quoteText(text: string): string {
  return JSON.stringify(text.length > LONGEST_QUOTE ? `${text.slice(0, LONGEST_QUOTE)}…` : text)
}

/**
 * Reads a JSON document. Accepts what JSON.parse accepts of valid UTF-8, less nesting over 32 levels and, when
 * strict, less objects that hold a key twice ("a" and "\u0061" are one key); a tolerant reading keeps the last.
 * Throws MANIFEST_INVALID, naming the place, and 413 SIZE_INVALID for more than `most` values (200,000): a small
 * document of empty objects would otherwise cost a hundred times its size in memory.
 */
export function parseJson(bytes: Uint8Array, strictness: Strictness = 'strict', most = MOST_VALUES): unknown {
  const reading: Reading = { text: decodeText(bytes), strictness, frames: [], at: 0, count: 0 }
  skipSpace(reading)
  for (;;) {
    if (++reading.count > most) throw tooMany(most)
    const opened = openContainer(reading)
    if (opened === 'filled') continue
    let value = opened === undefined ? readScalar(reading) : opened
    for (;;) {
      skipSpace(reading)
      const frame = reading.frames.at(-1)
      if (frame === undefined) {
        if (reading.at < reading.text.length) throw notJson(reading)
        return value
      }
      putValue(frame, value)
      if (goOn(reading, frame)) break
      value = frame.members ?? frame.elements
    }
  }
}

function tooMany(most: number): RegistryError {
  return registryError('SIZE_INVALID', { status: 413, message: `the manifest holds more than ${most} values` })
}

function decodeText(bytes: Uint8Array): string {
  try {
    // ignoreBOM keeps a byte order mark in the text, which is then refused as JSON.parse and Go refuse it.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw makeInvalid('it is not valid UTF-8', cause)
  }
}

/**
 * At a bracket: 'filled' when the first value of a new frame comes next, or the container itself if it is empty.
 * Undefined at anything else.
 */
function openContainer(reading: Reading): 'filled' | object | undefined {
  const code = reading.text.charCodeAt(reading.at)
  if (code !== OPEN_OBJECT && code !== OPEN_ARRAY) return undefined
  const { frames } = reading
  if (frames.length === DEEPEST) throw makeInvalid(`${describePath(frames)} is nested deeper than ${DEEPEST} levels`)
  const frame: Frame = code === OPEN_OBJECT ? { members: {}, key: '' } : { elements: [] }
  reading.at++
  skipSpace(reading)
  if (reading.text.charCodeAt(reading.at) === closingOf(frame)) {
    reading.at++
    return frame.members ?? frame.elements
  }
  frames.push(frame)
  if (frame.members !== undefined) readKey(reading, frame)
  return 'filled'
}

/** After a value: true when another follows in the same frame, false when the frame was closed. */
function goOn(reading: Reading, frame: Frame): boolean {
  const code = reading.text.charCodeAt(reading.at)
  if (code !== COMMA && code !== closingOf(frame)) throw notJson(reading)
  reading.at++
  if (code !== COMMA) {
    reading.frames.pop()
    return false
  }
  skipSpace(reading)
  if (frame.members !== undefined) readKey(reading, frame)
  return true
}

/** Reads a key and its colon, and stops at the value. */
function readKey(reading: Reading, frame: ObjectFrame): void {
  if (reading.text.charCodeAt(reading.at) !== QUOTE) throw notJson(reading)
  const key = readScalar(reading) as string
  if (reading.strictness === 'strict' && Object.hasOwn(frame.members, key))
    throw makeInvalid(`${describePath(reading.frames.slice(0, -1))} holds the key ${quoteText(key)} twice`)
  frame.key = key
  skipSpace(reading)
  if (reading.text.charCodeAt(reading.at) !== COLON) throw notJson(reading)
  reading.at++
  skipSpace(reading)
}

/**
 * Reads a string, number or word. JSON.parse is asked for each by itself, never for an object: V8 takes an escaped
 * key of one character for "\" once it has met the key "\" (nodejs/node#63785; Node 24.21 still does). And what it
 * gives is a copy: a slice would keep the whole text in memory for as long as the value lives.
 */
function readScalar(reading: Reading): unknown {
  const { text, at } = reading
  const end = text.charCodeAt(at) === QUOTE ? findStringEnd(text, at) : findWordEnd(text, at)
  try {
    const value: unknown = JSON.parse(text.slice(at, end))
    reading.at = end
    return value
  } catch (cause) {
    throw notJson(reading, cause)
  }
}

/** The place after the closing quote, or past the text's end when there is none. */
function findStringEnd(text: string, start: number): number {
  let at = start + 1
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at + 1
    at += code === BACKSLASH ? 2 : 1
  }
  return at
}

/** The place after the letters, digits, signs and points that begin at `start`. */
function findWordEnd(text: string, start: number): number {
  let at = start
  while (/[-+.\w]/.test(text.charAt(at))) at++
  return at
}

function skipSpace(reading: Reading): void {
  const { text } = reading
  for (; reading.at < text.length; reading.at++) {
    const code = text.charCodeAt(reading.at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
  }
}

function closingOf(frame: Frame): number {
  return frame.members === undefined ? CLOSE_ARRAY : CLOSE_OBJECT
}

function putValue(frame: Frame, value: unknown): void {
  if (frame.members === undefined) frame.elements.push(value)
  else if (frame.key !== '__proto__') frame.members[frame.key] = value
  // Plain assignment would change the prototype instead.
  else
    Object.defineProperty(frame.members, frame.key, {
      value,
      configurable: true,
      enumerable: true,
      writable: true,
    })
}

function notJson({ at }: Reading, cause?: unknown): RegistryError {
  return makeInvalid(`it is not JSON at character ${at}`, cause)
}

/** Writes the way to the current value of the innermost frame: `layers[3].annotations`. */
function describePath(frames: readonly Frame[]): string {
  const steps = frames.map((frame) => (frame.members ? writeStep(frame.key) : `[${frame.elements.length}]`))
  return steps.length === 0 ? 'the document' : steps.join('').replace(/^\./, '')
}

function writeStep(key: string): string {
  return /^\w{1,64}$/.test(key) ? `.${key}` : `[${quoteText(key)}]`
}
