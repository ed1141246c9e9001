// JSON in its one form (RFC 8785: keys sorted, no white space) and a newline, which is what `jq -cS .` writes. Two
// documents that say the same are then the same bytes, so that a signature of the bytes is one of the meaning.

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** Writes a value of plain ASCII strings and whole numbers. */
export function writeCanonicalJson(value: object): Buffer {
  return Buffer.from(`${writeValue(value as Json)}\n`, 'latin1')
}

function writeValue(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(writeValue).join(',')}]`
  const members = Object.entries(value as Readonly<Record<string, Json>>)
  return `{${members
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${writeValue(inner)}`)
    .join(',')}}`
}
