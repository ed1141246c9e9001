// Checks an object against the schema of a CustomResourceDefinition, as far as Kubernetes itself goes: types, required keys,
// patterns, choices, numbers of items. A key that the schema does not know is a flaw, since the cluster would drop it unseen.

export interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly required?: readonly string[]
  readonly pattern?: string
  readonly enum?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
}

/** What is wrong with the object, each with its place; nothing when all is right. */
export function findFlaws(value: unknown, schema: Schema, place = ''): string[] {
  if (Array.isArray(value)) return checkList(value, schema, place)
  if (typeof value === 'object' && value !== null) return checkObject(value as Record<string, unknown>, schema, place)
  return checkScalar(value, schema, place)
}

function checkObject(value: Record<string, unknown>, schema: Schema, place: string): string[] {
  if (schema.type !== undefined && schema.type !== 'object')
    return [`${place} is an object, not of type ${schema.type}`]
  const { properties = {}, additionalProperties, required = [] } = schema
  const lacking = required.filter((key) => !(key in value)).map((key) => `${place}.${key} is missing`)
  const known = Object.entries(value).flatMap(([key, member]) => {
    // Every object has these, whatever its schema says.
    if (place === '' && ['apiVersion', 'kind', 'metadata'].includes(key)) return []
    const own = properties[key] ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined)
    if (own !== undefined) return findFlaws(member, own, `${place}.${key}`)
    return additionalProperties === true || schema['x-kubernetes-preserve-unknown-fields'] === true
      ? []
      : [`${place}.${key} is unknown`]
  })
  return [...lacking, ...known]
}

function checkList(value: readonly unknown[], schema: Schema, place: string): string[] {
  if (schema.type !== 'array') return [`${place} is a list, not of type ${schema.type ?? 'any'}`]
  const { items = {}, minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema
  const count = value.length < minItems || value.length > maxItems ? [`${place} has ${value.length} items`] : []
  return [...count, ...value.flatMap((each, index) => findFlaws(each, items, `${place}[${index}]`))]
}

function checkScalar(value: unknown, schema: Schema, place: string): string[] {
  const type = typeof value === 'number' && Number.isInteger(value) ? 'integer' : typeof value
  if (schema.type !== undefined && schema.type !== type && !(schema.type === 'number' && type === 'integer')) {
    return [`${place} is of type ${type}, not ${schema.type}`]
  }
  if (schema.enum !== undefined && !schema.enum.includes(value))
    return [`${place} is none of ${schema.enum.join(', ')}`]
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema
  if (typeof value === 'number' && (value < minimum || value > maximum)) return [`${place} is ${value}`]
  if (typeof value !== 'string') return []
  const { pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY } = schema
  if (pattern !== undefined && !new RegExp(pattern).test(value)) return [`${place} does not match ${pattern}`]
  return value.length < minLength || value.length > maxLength ? [`${place} has ${value.length} characters`] : []
}
