// One value of the tree into the value of its key: the coercions that Go's YAML makes into a typed field, and no
// others. It returns a complaint and never throws, so that all faults are reported at once.
import Type from 'typebox'
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { formatDuration, parseDuration } from './duration.ts'
import { formOf } from './form.ts'
import { notesOf } from './key.ts'
import type { RawNode, ScalarNode } from './tree.ts'

/** `absent`: nothing was said, the default holds. `warning` stands beside a value that is taken all the same. */
export type Reading =
  | { readonly kind: 'value'; readonly value: unknown; readonly warning?: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'wrong'; readonly what: string; readonly hint: string }

/** Where the tree comes from: `text` is YAML with Go's units, `object` is JavaScript with milliseconds. */
export type Units = 'text' | 'object'

const ABSENT: Reading = { kind: 'absent' }
const NO_YAML: Reading = {
  kind: 'wrong',
  what: 'not valid YAML',
  hint: 'quote the value inside the variable',
}

/** Reads the value of a key that is no section, record or list. */
export function readLeaf(schema: TSchema, node: RawNode, units: Units): Reading {
  if (Type.IsString(schema)) return readString(schema, node)
  if (node.kind === 'invalid' && !Type.IsEnum(schema)) return NO_YAML
  if (node.kind === 'map' || node.kind === 'list') return wrong('expected one value', `write ${exampleOf(schema)}`)
  if (Type.IsEnum(schema)) return readEnum(schema, schema.enum.map(String), node)
  if (node.kind === 'invalid' || node.value === null || node.text === '') return ABSENT
  if (Type.IsBoolean(schema)) return readBoolean(node)
  if (notesOf(schema).duration === true) return readDuration(schema, node, units)
  return readCount(schema, node)
}

// Go's yaml.v2 puts any plain scalar into a string field as it is written. A variable that is no YAML, or whose YAML
// is not a scalar, is taken as it stands: distribution would refuse to start with a secret such as `@abc`.
function readString(schema: TSchema, node: RawNode): Reading {
  const text = stringOf(node)
  if (text === undefined) return wrong('expected text', 'write one value, in quotes if it holds special characters')
  if (text === '') return ABSENT
  const { form } = notesOf(schema)
  if (form === undefined) return { kind: 'value', value: text }
  const grammar = formOf(form)
  const value = grammar.read(text)
  return value === undefined ? wrong(grammar.expected, grammar.hint) : { kind: 'value', value }
}

const EXPLICITLY_EMPTY = /^\s*(?:~|null|Null|NULL|""|'')?\s*$/u

function stringOf(node: RawNode): string | undefined {
  if (node.kind !== 'scalar') return node.raw
  // `#abc`, `&abc` and `>` are empty as YAML; who sets a variable to that means the text.
  if (node.text === '' && node.raw !== undefined && !EXPLICITLY_EMPTY.test(node.raw)) return node.raw
  return node.text
}

function readEnum(schema: TSchema, values: readonly string[], node: RawNode): Reading {
  const text = node.kind === 'scalar' ? node.text : ''
  if (text === '' && node.kind === 'scalar') return ABSENT
  const wanted = notesOf(schema).foldCase === true ? text.toLowerCase() : text
  if (values.includes(wanted)) return { kind: 'value', value: wanted }
  const what = values.length === 1 ? `expected ${values[0]}` : `expected one of: ${values.join(', ')}`
  return wrong(what, `write ${exampleOf(schema)}`)
}

// YAML 1.1, which Go's yaml.v2 follows for typed fields, knows more words than 1.2.
const TRUE = /^(?:y|Y|yes|Yes|YES|on|On|ON|true|True|TRUE)$/u
const FALSE = /^(?:n|N|no|No|NO|off|Off|OFF|false|False|FALSE)$/u

function readBoolean({ text }: ScalarNode): Reading {
  if (TRUE.test(text)) return { kind: 'value', value: true }
  if (FALSE.test(text)) return { kind: 'value', value: false }
  return wrong('expected true or false', 'write true or false')
}

function readDuration(schema: TSchema, { value, text }: ScalarNode, units: Units): Reading {
  if (typeof value === 'number' && units === 'object') return readRange(schema, value)
  if (typeof value === 'number' && value !== 0) {
    if (!Number.isInteger(value)) return wrong('expected a duration', `write ${exampleOf(schema)}`)
    const reading = readRange(schema, value / 1e6)
    if (reading.kind !== 'value') return reading
    return {
      ...reading,
      warning: 'a bare number is nanoseconds, as in distribution; write a unit, such as 60s',
    }
  }
  const milliseconds = parseDuration(text)
  return milliseconds === undefined
    ? wrong('expected a duration', `write ${exampleOf(schema)}`)
    : readRange(schema, milliseconds)
}

function readCount(schema: TSchema, { value }: ScalarNode): Reading {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    return wrong('expected a whole number', `write ${exampleOf(schema)}`)
  }
  return readRange(schema, value)
}

function readRange(schema: TSchema, value: number): Reading {
  const { zeroIsDefault, duration } = notesOf(schema)
  const { minimum, maximum } = schema as { minimum?: number; maximum?: number }
  if (Value.Check(schema, value)) return zeroIsDefault === true && value <= 0 ? ABSENT : { kind: 'value', value }
  const show = (limit: number): string => (duration === true ? formatDuration(limit) : String(limit))
  const bounds = [
    ...(minimum === undefined ? [] : [`at least ${show(minimum)}`]),
    ...(maximum === undefined ? [] : [`at most ${show(maximum)}`]),
  ]
  return wrong(`out of range: ${bounds.join(' and ')}`, `write ${exampleOf(schema)}`)
}

function exampleOf(schema: TSchema): string {
  const { default: value = (schema as { minimum?: number }).minimum, duration } = notesOf(schema)
  return duration === true ? formatDuration(Number(value)) : String(value)
}

function wrong(what: string, hint: string): Reading {
  return { kind: 'wrong', what, hint }
}
