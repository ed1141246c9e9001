// A configuration before it is checked: maps, lists and scalars that remember where they came from, so that
// every complaint can name a line or a variable. It must never interpret a value.

export interface MapNode {
  readonly kind: 'map'
  readonly origin: string
  readonly entries: Map<string, RawNode>
  readonly raw?: string
}

export interface ListNode {
  readonly kind: 'list'
  readonly origin: string
  readonly items: RawNode[]
  readonly raw?: string
}

/** `text` is the source as written (without quotes): a string field takes it, so `0.1` or `yes` stay what they are. */
export interface ScalarNode {
  readonly kind: 'scalar'
  readonly origin: string
  readonly value: string | number | boolean | null
  readonly text: string
  readonly raw?: string
}

/** A value that is no YAML; `raw` (of an environment variable) may still be a string. */
export interface InvalidNode {
  readonly kind: 'invalid'
  readonly origin: string
  readonly raw?: string
}

export type RawNode = MapNode | ListNode | ScalarNode | InvalidNode

/** An empty section. */
export function makeMap(origin: string): MapNode {
  return { kind: 'map', origin, entries: new Map() }
}

/** Turns a plain value of JavaScript into a tree; members that are undefined are left out. */
export function makeNode(value: unknown, origin: string): RawNode {
  if (value === null) return { kind: 'scalar', origin, value: null, text: '' }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return { kind: 'scalar', origin, value, text: String(value) }
  }
  if (Array.isArray(value)) return { kind: 'list', origin, items: value.map((item) => makeNode(item, origin)) }
  if (typeof value !== 'object') return { kind: 'invalid', origin }
  const map = makeMap(origin)
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) map.entries.set(key, makeNode(member, origin))
  }
  return map
}

/** The node at `path` below `root`; undefined when there is none. */
export function findNode(root: RawNode | undefined, path: readonly string[]): RawNode | undefined {
  let node = root
  for (const key of path) node = node?.kind === 'map' ? node.entries.get(key) : undefined
  return node
}

/** Whether a node says nothing: absent, null or an empty string. */
export function isBlank(node: RawNode | undefined): boolean {
  return node === undefined || (node.kind === 'scalar' && (node.value === null || node.value === ''))
}

/** A section written as a bare word: `storage: filesystem` is `storage: {filesystem: {}}`. */
export function expandShorthand(node: RawNode): RawNode {
  if (node.kind !== 'scalar' || typeof node.value !== 'string' || node.value === '') return node
  const map = makeMap(node.origin)
  map.entries.set(node.value, makeMap(node.origin))
  return map
}

/** A list in the place of a section is its key `key`; so is a word, as a list of one. */
export function expandList(node: RawNode, key: string): RawNode {
  if (node.kind !== 'list' && node.kind !== 'scalar') return node
  const { origin } = node
  const list: RawNode = node.kind === 'list' ? node : { kind: 'list', origin, items: [node] }
  return { kind: 'map', origin, entries: new Map([[key, list]]) }
}
