// Checks what a caller of the admin API asks for, against the schema that the OpenAPI document shows. Unknown keys are
// errors: an option that is spelled wrong and passed over could delete more than was meant.
import type { Static, TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { parseDuration } from '../../config/duration.ts'
import type { RegistryError } from '../../oci/errors.ts'
import { registryError } from '../../oci/errors.ts'

const MOST_NAMED = 5

/** The options as the schema types them. Throws 400 UNSUPPORTED that names each wrong key. */
export function checkOptions<Schema extends TSchema>(schema: Schema, value: unknown): Static<Schema> {
  if (Value.Check(schema, value)) return value
  const found = Value.Errors(schema, value).flatMap((error) => {
    const at = error.instancePath.slice(1).replaceAll('/', '.')
    switch (error.keyword) {
      // Said once more, with all names, by additionalProperties.
      case 'boolean':
        return []
      case 'additionalProperties':
        return error.params.additionalProperties.map((key) => `there is no option ${JSON.stringify(key)}`)
      case 'required':
        return error.params.requiredProperties.map((key) => `${JSON.stringify(key)} is missing`)
      default:
        return [`${at === '' ? 'the body' : JSON.stringify(at)} ${error.message}`]
    }
  })
  throw refuse(found.slice(0, MOST_NAMED).join('; '))
}

/** Milliseconds of the duration of Go that the option `key` holds; throws 400 for what is none. */
export function readDuration(key: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const milliseconds = parseDuration(text)
  if (milliseconds !== undefined && milliseconds >= 0) return milliseconds
  throw refuse(`${JSON.stringify(key)} is no duration such as "24h", "90m" or "0s"`)
}

/** The error for a request that cannot be understood. */
export function refuse(message: string): RegistryError {
  return registryError('UNSUPPORTED', { status: 400, message })
}
