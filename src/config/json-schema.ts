// A schema of ours as a JSON Schema that editors understand. It says what the check takes, which is more than the schema
// says by itself: numbers where text is meant, defaults that fill a section, a list in the place of a section.
import Type from 'typebox'
import type { TSchema } from 'typebox'
import { formOf } from './form.ts'
import { notesOf, wordOrOf } from './key.ts'

type Json = Record<string, unknown>

/** The document for `schema`, which has no durations. */
export function toJsonSchema(schema: TSchema, title: string): Json {
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', title, ...describe(schema) }
}

function describe(schema: TSchema): Json {
  const { description, form, default: fallback } = notesOf(schema)
  const hint = form === undefined ? undefined : formOf(form).hint
  const about = [description, hint].filter((text) => text !== undefined).join('\n')
  return {
    ...(about !== '' && { description: about }),
    ...describeShape(schema),
    ...(fallback !== undefined && { default: fallback }),
  }
}

function describeShape(schema: TSchema): Json {
  const { minItems, minimum, maximum } = schema as { minItems?: number; minimum?: number; maximum?: number }
  const choice = wordOrOf(schema)
  if (choice !== undefined) return { anyOf: [{ enum: choice.words }, describe(choice.other)] }
  if (Type.IsObject(schema)) return describeSection(schema)
  if (Type.IsRecord(schema)) return { type: 'object', additionalProperties: describe(Type.RecordValue(schema)) }
  if (Type.IsArray(schema))
    return { type: 'array', items: describe(schema.items), ...(minItems !== undefined && { minItems }) }
  if (Type.IsEnum(schema)) return { enum: schema.enum.flatMap((word) => spellingsOf(String(word))) }
  if (Type.IsBoolean(schema)) return { type: 'boolean' }
  if (Type.IsInteger(schema))
    return { type: 'integer', ...(minimum !== undefined && { minimum }), ...(maximum !== undefined && { maximum }) }
  if (Type.IsString(schema)) return TEXT
  throw new Error('a kind of schema that is not published yet')
}

// 3.18 without quotes is a number for YAML and text for us.
const TEXT = { type: ['string', 'number'] }

function spellingsOf(word: string): unknown[] {
  return /^\d+$/u.test(word) ? [Number(word), word] : [word]
}

function describeSection(schema: TSchema & { readonly properties: Readonly<Record<string, TSchema>> }): Json {
  const properties = Object.fromEntries(Object.entries(schema.properties).map(([key, child]) => [key, describe(child)]))
  const required = Object.entries(schema.properties).flatMap(([key, child]) => (isRequired(child) ? [key] : []))
  const section = {
    type: 'object',
    ...(required.length > 0 && { required }),
    properties,
    additionalProperties: notesOf(schema).closed === undefined,
  }
  const { listKey } = notesOf(schema)
  const list = listKey === undefined ? undefined : schema.properties[listKey]
  if (list === undefined || !Type.IsArray(list)) return section
  return { anyOf: [section, describeShape(list), describe(list.items)] }
}

// What the check calls missing: one value without a default, or a list that must not be empty.
function isRequired(schema: TSchema): boolean {
  if (Type.IsOptional(schema) || notesOf(schema).default !== undefined || wordOrOf(schema) !== undefined) return false
  if (Type.IsArray(schema)) return (schema as { minItems?: number }).minItems !== undefined
  return !Type.IsObject(schema) && !Type.IsRecord(schema)
}
