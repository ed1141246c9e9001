// What stands in for the file when there is none: the configuration inside the registry:2 image, as far as its
// maps go (a variable adds to a map). Every other default stands beside its key in schema.ts.
import type { MapNode } from './tree.ts'
import { makeNode } from './tree.ts'

export const DEFAULT_FIELDS: Readonly<Record<string, string>> = { service: 'registry' }
export const DEFAULT_HEADERS: Readonly<Record<string, readonly string[]>> = {
  'X-Content-Type-Options': ['nosniff'],
}

/** A fresh tree of the built-in configuration, to be changed by the environment. */
export function makeDefaultTree(): MapNode {
  return makeNode(
    { version: '0.1', log: { fields: DEFAULT_FIELDS }, http: { headers: DEFAULT_HEADERS } },
    'built-in defaults',
  ) as MapNode
}
