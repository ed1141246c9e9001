// Members of a manifest's objects by the specification's names. Go's encoding/json, which most clients use,
// matches member names without regard to case; JavaScript does not. No two readers may see different documents.
import { makeInvalid, quoteText } from './json.ts'
import type { Strictness } from './json.ts'

export type Fields = Readonly<Record<string, unknown>>

/** The specification's names of one kind of object, by their folded form. */
export type FieldNames = ReadonlyMap<string, string>

/** Where a value stands, for messages, and how it is judged. */
export interface Place {
  readonly path: string
  readonly strictness: Strictness
}

export function nameFields(...names: string[]): FieldNames {
  return new Map(names.map((name) => [foldName(name), name]))
}

/** The place of a member, or with a number of an element. */
export function stepInto(place: Place, step: string | number): Place {
  const joined = place.path === '' ? `${step}` : `${place.path}.${step}`
  return { ...place, path: typeof step === 'number' ? `${place.path}[${step}]` : joined }
}

/** Throws MANIFEST_INVALID for a pushed document; gives undefined, "as if absent", for a stored one. */
export function rejectValue(place: Place, problem: string): undefined {
  if (place.strictness === 'strict') throw makeInvalid(`${place.path || 'the document'} ${problem}`)
  return undefined
}

/**
 * Opens an object by the specification's names; members with other names are left out. Strict: a case variant
 * of one of the names is MANIFEST_INVALID. Tolerant: it counts as that name and the last one wins, as in Go.
 */
export function openFields(place: Place, value: unknown, names: FieldNames): Fields | undefined {
  if (!isObject(value)) return rejectValue(place, 'must be an object')
  const fields: Record<string, unknown> = {}
  for (const key of Object.keys(value)) {
    const name = names.get(foldName(key))
    if (name === undefined) continue
    if (name !== key) rejectValue(place, `holds ${quoteText(key)}: write it ${quoteText(name)}`)
    fields[name] = value[key]
  }
  return fields
}

/** A member that must be a string; absent and null are undefined, as for Go. */
export function readString(place: Place, fields: Fields, name: string): string | undefined {
  const value = fields[name] ?? undefined
  if (value === undefined || typeof value === 'string') return value
  return rejectValue(stepInto(place, name), 'must be a string')
}

/** A member that must be an array; null is the empty array, since Go writes an empty list so. */
export function readArray(place: Place, fields: Fields, name: string): readonly unknown[] | undefined {
  const value = fields[name]
  if (value === undefined) return undefined
  if (value === null) return []
  if (Array.isArray(value)) return value
  return rejectValue(stepInto(place, name), 'must be an array')
}

export function readStrings(place: Place, fields: Fields, name: string): readonly string[] | undefined {
  const values = fields[name] === null ? undefined : readArray(place, fields, name)
  if (values === undefined || values.every((value) => typeof value === 'string')) return values
  return rejectValue(stepInto(place, name), 'must hold strings only')
}

/** A member that must be an object of strings (image-spec "Annotations"); its keys are the writer's own. */
export function readStringMap(
  place: Place,
  fields: Fields,
  name: string,
): Readonly<Record<string, string>> | undefined {
  const value = fields[name] ?? undefined
  if (value === undefined) return undefined
  const inside = stepInto(place, name)
  if (!isObject(value)) return rejectValue(inside, 'must be an object')
  const wrong = Object.keys(value).find((key) => typeof value[key] !== 'string')
  if (wrong === undefined) return value as Record<string, string>
  return rejectValue(inside, `must hold strings only, and ${quoteText(wrong)} is none`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

// Go folds by Unicode's simple folding, and beyond ASCII's capitals only the long s (U+017F) and the Kelvin
// sign (U+212A) fold to a letter of ASCII. toLowerCase knows the second.
function foldName(name: string): string {
  return name.toLowerCase().replaceAll('\u017f', 's')
}
