// Writes the effective configuration as a config.yml that Tarn and registry:2 read back. A string is shown only where
// the schema says that it may be: whatever is new, unknown or a secret is masked.
import Type from 'typebox'
import type { TSchema } from 'typebox'
import { stringify } from 'yaml'
import { formatDuration } from './duration.ts'
import { notesOf, wordOrOf } from './key.ts'
import type { Config } from './schema.ts'
import { ConfigSchema } from './schema.ts'

const MASK = '********'

// Keys that people choose themselves (log fields, headers) and that sound like a secret.
const SECRET_NAME = /pass|secret|token|key|credential|auth|cookie|signature/iu

/** YAML of `config` with every secret replaced by asterisks; times in Go's form. */
export function printConfig(config: Config): string {
  return stringify(show(ConfigSchema, config), { lineWidth: 0 })
}

function show(schema: TSchema | undefined, value: unknown): unknown {
  if (schema === undefined) return MASK
  if (Type.IsObject(schema)) return showMembers(value, (key) => memberOf(schema.properties, key))
  if (Type.IsRecord(schema)) {
    const item = Type.RecordValue(schema)
    return showMembers(value, (key) => (SECRET_NAME.test(key) ? undefined : item))
  }
  if (Type.IsArray(schema)) {
    const { items } = schema as TSchema & { items: TSchema }
    return Array.isArray(value) ? value.map((item) => show(items, item)) : MASK
  }
  const choice = wordOrOf(schema)
  if (choice !== undefined) return choice.words.some((word) => word === value) ? value : show(choice.other, value)
  const { shown, duration, form } = notesOf(schema)
  if (typeof value === 'number') return duration === true ? formatDuration(value) : value
  if (typeof value === 'boolean' || Type.IsEnum(schema)) return value
  if (typeof value !== 'string') return MASK
  if (form === 'uri') return showUrl(value)
  return shown === true ? value : MASK
}

function showMembers(value: unknown, schemaOf: (key: string) => TSchema | undefined): unknown {
  if (typeof value !== 'object' || value === null) return MASK
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, show(schemaOf(key), member)]))
}

function memberOf(properties: Readonly<Record<string, TSchema>>, key: string): TSchema | undefined {
  return Object.hasOwn(properties, key) ? properties[key] : undefined
}

// A health check's URL may carry a login or a token in its query.
function showUrl(text: string): string {
  const url = URL.parse(text)
  if (url === null) return MASK
  const login = url.username === '' && url.password === '' ? '' : `${MASK}@`
  return `${url.protocol}//${login}${url.host}${url.pathname}${url.search === '' ? '' : `?${MASK}`}`
}
