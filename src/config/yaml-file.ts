// YAML text into a tree with origins: a file gives line numbers, a variable its name. Messages must never quote
// the text, because the line at fault may hold a secret.
import type { Alias, Document, Node, Pair, YAMLMap } from 'yaml'
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import { ConfigError } from './config-error.ts'
import type { MapNode, RawNode } from './tree.ts'
import { makeMap } from './tree.ts'

// Deeper than any setting; what goes past it is an anchor that contains itself.
const MAX_DEPTH = 32

interface Source {
  readonly document: Document
  locate(node: Node | undefined): string
}

/**
 * Reads a whole configuration file; `name` is what messages call it. An empty file is an empty section.
 * Throws ConfigError with file and line when it is no YAML or no mapping.
 */
export function parseYamlFile(text: string, name: string): MapNode {
  const lines = new LineCounter()
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines, merge: true })
  const [error] = document.errors
  if (error !== undefined) {
    const what = `not valid YAML: ${error.code.toLowerCase().replaceAll('_', ' ')}`
    const where = `${name}:${lines.linePos(error.pos[0]).line}`
    throw new ConfigError([{ where, path: '', what, hint: hintFor(error.code) }])
  }
  const locate = (node: Node | undefined): string => {
    const offset = node?.range?.[0]
    return offset === undefined ? name : `${name}:${lines.linePos(offset).line}`
  }
  const root = convert(document.contents, { document, locate }, locate(undefined), 0)
  if (root.kind === 'map') return root
  if (root.kind === 'scalar' && root.value === null) return makeMap(name)
  throw new ConfigError([
    {
      where: `${name}:1`,
      path: '',
      what: 'not a mapping',
      hint: 'write `key: value` lines, as in distribution’s config.yml',
    },
  ])
}

/** Reads the value of a variable as YAML; what is no YAML comes back as an invalid node with its raw text. */
export function parseYamlValue(text: string, origin: string): RawNode {
  const document = parseDocument(text, { prettyErrors: false, logLevel: 'silent', merge: true })
  if (document.errors.length > 0 || document.warnings.length > 0) return { kind: 'invalid', origin, raw: text }
  try {
    return {
      ...convert(document.contents, { document, locate: () => origin }, origin, 0),
      raw: text,
    }
  } catch (error) {
    if (error instanceof ConfigError) return { kind: 'invalid', origin, raw: text }
    throw error
  }
}

function convert(node: Node | null, source: Source, origin: string, depth: number): RawNode {
  if (depth > MAX_DEPTH) {
    throw new ConfigError([
      {
        where: origin,
        path: '',
        what: 'nested too deeply',
        hint: 'an anchor must not contain itself',
      },
    ])
  }
  if (isAlias(node)) return convert(resolveAlias(node, source, origin), source, origin, depth + 1)
  if (isMap(node)) return convertMap(node, source, origin, depth)
  if (isSeq(node)) {
    const items = node.items.map((item) => convert(item as Node, source, source.locate(item as Node), depth + 1))
    return { kind: 'list', origin, items }
  }
  if (!isScalar(node)) return { kind: 'scalar', origin, value: null, text: '' }
  const { value } = node
  if (value === null) return { kind: 'scalar', origin, value, text: '' }
  if (typeof value === 'string') return { kind: 'scalar', origin, value, text: value }
  if (typeof value === 'number' || typeof value === 'boolean') {
    return { kind: 'scalar', origin, value, text: node.source ?? String(value) }
  }
  return { kind: 'invalid', origin }
}

function resolveAlias(alias: Alias, { document }: Source, origin: string): Node {
  const target = alias.resolve(document)
  if (target !== undefined) return target
  throw new ConfigError([
    { where: origin, path: '', what: 'not valid YAML: unknown alias', hint: 'quote a value that begins with *' },
  ])
}

// A child's origin is the line of its key, which is where a reader looks. Merge keys (`<<`) give way to written ones.
function convertMap(node: YAMLMap, source: Source, origin: string, depth: number): MapNode {
  const map = makeMap(origin)
  const merged: MapNode[] = []
  for (const { key, value } of node.items as Pair<Node, Node | null>[]) {
    const at = source.locate(key)
    const child = convert(value, source, at, depth + 1)
    const name = isScalar(key) ? (key.source ?? String(key.value)) : ''
    if (name !== '<<') map.entries.set(name, child)
    else if (child.kind === 'list') merged.push(...child.items.filter((item) => item.kind === 'map'))
    else if (child.kind === 'map') merged.push(child)
  }
  for (const { entries } of merged) {
    for (const [name, child] of entries) if (!map.entries.has(name)) map.entries.set(name, child)
  }
  return map
}

function hintFor(code: string): string {
  if (code === 'DUPLICATE_KEY') return 'keep one of the two'
  if (code === 'TAB_AS_INDENT') return 'indent with spaces'
  if (code === 'MULTIPLE_DOCS') return 'keep one document (remove the --- line)'
  return 'check the indentation, and quote values that hold special characters, such as "[::1]:5000"'
}
