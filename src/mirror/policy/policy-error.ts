// What is wrong with a policy, a key or a place of signatures; and objects that hold nothing that nobody knows.
import { quoteText } from '../../oci/json.ts'

export class PolicyError extends Error {
  override readonly name = 'PolicyError'
  readonly hint: string | undefined

  constructor(message: string, options: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.hint = options.hint
  }
}

/** An object with no members but `known`; without `known` with any. Throws a PolicyError. */
export function openObject(
  value: unknown,
  place: string,
  known?: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PolicyError(`${place} must be an object`)
  const stranger = known && Object.keys(value).find((key) => !known.includes(key))
  if (stranger !== undefined) throw new PolicyError(`${place} holds ${quoteText(stranger)}, which it cannot hold`)
  return value as Readonly<Record<string, unknown>>
}
