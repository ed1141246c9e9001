// Members of a stranger's JSON, each checked and named by its place when it is not what it must be.
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, isDigest } from '../oci/digest.ts'
import { parseJson, quoteText } from '../oci/json.ts'
import { makeFlaw } from './flaw.ts'

// An object, three keys and three values for each of 200,000 blobs, and the places that repositories name.
const MOST_VALUES = 1_500_000

/** An object of the document, and where it stands. */
export interface Fields {
  readonly place: string
  readonly members: Readonly<Record<string, unknown>>
}

/** Reads a document of ours, of at most `most` values, that a stranger may have written; `what` names it in messages. */
export function parseDocument(bytes: Uint8Array, what: string, most = MOST_VALUES): Fields {
  let value: unknown
  try {
    value = parseJson(bytes, 'strict', most)
  } catch (cause) {
    throw makeFlaw(`${what} cannot be read: ${(cause as Error).message.replace(/^manifest invalid: /, '')}`, { cause })
  }
  return openObject(value, what)
}

export function openObject(value: unknown, place: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw makeFlaw(`${place} is no object`)
  return { place, members: value as Record<string, unknown> }
}

/** Throws for a member that `names` has not. */
export function allowOnly({ place, members }: Fields, names: readonly string[]): void {
  const other = Object.keys(members).find((key) => !names.includes(key))
  if (other !== undefined) throw makeFlaw(`${place} has ${quoteText(other)}, which is no part of it`)
}

/** A list; absent is a flaw. */
export function readList(fields: Fields, key: string): readonly unknown[] {
  const value = fields.members[key]
  if (!Array.isArray(value)) throw makeFlaw(`${placeOf(fields, key)} is no list`)
  return value
}

export function readObjects(fields: Fields, key: string): readonly Fields[] {
  return readList(fields, key).map((value, at) => openObject(value, `${placeOf(fields, key)}[${at}]`))
}

export function readText(fields: Fields, key: string): string {
  const value = fields.members[key]
  if (typeof value !== 'string') throw makeFlaw(`${placeOf(fields, key)} is no text`)
  return value
}

/** A text of the form that `isRight` knows; `what` says which: "a tag". */
export function readForm<T extends string>(
  fields: Fields,
  key: string,
  isRight: (text: string) => text is T,
  what: string,
): T {
  return checkForm(fields.members[key], placeOf(fields, key), isRight, what)
}

export function checkForm<T extends string>(
  value: unknown,
  place: string,
  isRight: (text: string) => text is T,
  what: string,
): T {
  if (typeof value === 'string' && isRight(value)) return value
  throw makeFlaw(`${place} is ${typeof value === 'string' ? quoteText(value) : 'no text'}, not ${what}`)
}

export function readDigestField(fields: Fields, key: string): Digest {
  return readForm(fields, key, isDigest, 'a sha256 or sha512 digest')
}

/** A digest that is made for the bundle itself: always a sha256. */
export function readSha256(fields: Fields, key: string): Digest {
  const isSha256 = (text: string): text is Digest => isDigest(text) && algorithmOf(text) === 'sha256'
  return readForm(fields, key, isSha256, 'a sha256 digest')
}

/** A whole number from `least` to `most`. */
export function readNumber(fields: Fields, key: string, least: number, most: number): number {
  return checkNumber(fields.members[key], placeOf(fields, key), least, most)
}

export function checkNumber(value: unknown, place: string, least: number, most: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value + 0
  throw makeFlaw(`${place} is no whole number from ${least} to ${most}`)
}

export function placeOf({ place }: Fields, key: string): string {
  return `${place}.${key}`
}
