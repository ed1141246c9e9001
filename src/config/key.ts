// What a schema of the configuration is made of: kinds of keys, and the notes beside a TypeBox schema. Types, defaults,
// checks, variable names and what may be printed are all read from these.
import Type from 'typebox'
import type { TSchema } from 'typebox'
import type { FormName } from './form.ts'

/** What this project writes beside a TypeBox schema. */
export interface Notes {
  readonly default?: unknown
  /** A string with a grammar, see form.ts. */
  readonly form?: FormName
  /** A duration of Go in files and variables, milliseconds in `Config`. */
  readonly duration?: true
  /** Go's zero means the default here, as in distribution. */
  readonly zeroIsDefault?: true
  /** Values are compared without regard to case. */
  readonly foldCase?: true
  /** `--print-config` may show the string. What does not say so is masked. */
  readonly shown?: true
  /** The name of distribution's Go field where it differs from the key: variables accept both. */
  readonly goName?: string
  /** A map in distribution: variables match its keys in any case. */
  readonly anyCase?: true
  /** `auth: htpasswd` stands for `auth: {htpasswd: {}}`. */
  readonly shorthand?: true
  /** A list or a word in the place of this section is the value of this key of it: `tags: [a]` for `tags: {names: [a]}`. */
  readonly listKey?: string
  /** Unknown keys are errors; the text says why. */
  readonly closed?: string
  /** For people, in a published JSON Schema. */
  readonly description?: string
}

/** The notes of a schema. */
export function notesOf(schema: TSchema): Notes {
  return schema
}

/** A union of this configuration: one of some words, or a list or section in their place. */
export interface WordOr {
  readonly words: readonly string[]
  readonly other: TSchema
}

/** The two sides of `Type.Union([Type.Enum(words), other])`; undefined for a schema of another kind. */
export function wordOrOf(schema: TSchema): WordOr | undefined {
  if (!Type.IsUnion(schema)) return undefined
  const words = schema.anyOf.find(Type.IsEnum)
  const other = schema.anyOf.find((side) => !Type.IsEnum(side))
  return words === undefined || other === undefined ? undefined : { words: words.enum.map(String), other }
}

/** Why an unknown key of Tarn's own is an error. */
export const OURS = 'no such setting'

export const flag = (value: boolean) => Type.Boolean({ default: value })
export const shown = (value?: string, notes: Notes = {}) =>
  Type.String({ shown: true, ...(value === undefined ? {} : { default: value }), ...notes })
export const duration = (value: number, notes: Notes & { minimum?: number; maximum?: number } = {}) =>
  Type.Number({ duration: true, default: value, minimum: 0, ...notes })
export const count = (value: number, notes: Notes & { minimum?: number; maximum?: number } = {}) =>
  Type.Integer({ default: value, minimum: 1, ...notes })
export const list = (item: ReturnType<typeof shown>) => Type.Array(item, { default: [] })
