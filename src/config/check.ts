// Walks a tree along the schema: fills in defaults, reports every fault and every key that is not used. It must
// never drop a key of the reader's without a word, unless unused.ts says that nothing is lost.
import Type from 'typebox'
import type { TObject, TSchema } from 'typebox'
import type { Fault } from './config-error.ts'
import { describeFault } from './config-error.ts'
import type { Units } from './leaf.ts'
import { readLeaf } from './leaf.ts'
import type { WordOr } from './key.ts'
import { notesOf, wordOrOf } from './key.ts'
import type { MapNode, RawNode } from './tree.ts'
import { expandList, expandShorthand, isBlank, makeMap } from './tree.ts'
import { UNUSED } from './unused.ts'

/** What a walk found; both lists grow as it goes. */
export interface Findings {
  readonly faults: Fault[]
  readonly warnings: string[]
  readonly units: Units
  /** A file of Tarn's own: what distribution has in its configuration is unknown here. */
  readonly isOwn?: true
}

/**
 * The value that `node` gives for `schema`, with defaults; undefined where an optional key is not set or where a
 * fault was reported. `path` is dotted, `origin` is the place of the section around it.
 */
export function checkTree(
  schema: TSchema,
  node: RawNode | undefined,
  at: { path: string; origin: string },
  findings: Findings,
): unknown {
  if (Type.IsObject(schema)) return checkSection(schema, node, at, findings)
  if (Type.IsRecord(schema)) return checkRecord(schema, node, at, findings)
  if (Type.IsArray(schema)) return checkList(schema, node, at, findings)
  const choice = wordOrOf(schema)
  if (choice !== undefined) return checkWordOr(choice, notesOf(schema).default, node, at, findings)
  const { default: fallback } = notesOf(schema)
  const reading = node === undefined ? ({ kind: 'absent' } as const) : readLeaf(schema, node, findings.units)
  if (reading.kind === 'wrong') {
    findings.faults.push({
      where: node?.origin ?? at.origin,
      path: at.path,
      what: reading.what,
      hint: reading.hint,
    })
    return undefined
  }
  if (reading.kind === 'value') {
    if (reading.warning !== undefined) warn(findings, node?.origin ?? at.origin, at.path, reading.warning)
    return reading.value
  }
  if (fallback === undefined && !Type.IsOptional(schema)) {
    const key = at.path.slice(at.path.lastIndexOf('.') + 1)
    findings.faults.push({
      where: at.origin,
      path: at.path,
      what: 'missing',
      hint: `add ${key}: to this section`,
    })
  }
  return fallback
}

function checkWordOr(
  { words, other }: WordOr,
  fallback: unknown,
  node: RawNode | undefined,
  at: { path: string; origin: string },
  findings: Findings,
): unknown {
  if (fallback !== undefined && (node === undefined || isBlank(node))) return structuredClone(fallback)
  if (node?.kind !== 'scalar' || isBlank(node)) return checkTree(other, node, at, findings)
  if (words.includes(node.text)) return node.text
  const meant = findNearest(node.text, words)
  const [kind, example] = Type.IsArray(other) ? ['a list', '[first, second]'] : ['a section', 'key: value lines']
  findings.faults.push({
    where: node.origin,
    path: at.path,
    what: `expected ${words.join(', ')} or ${kind}`,
    hint: meant === undefined ? `write ${words[0]} or ${example}` : `did you mean ${meant}?`,
  })
  return undefined
}

function checkSection(
  schema: TObject,
  node: RawNode | undefined,
  at: { path: string; origin: string },
  findings: Findings,
): unknown {
  if (node === undefined && Type.IsOptional(schema)) return undefined
  const map = openSection(schema, node, at, findings)
  if (map === undefined) return undefined
  for (const [key, child] of map.entries) {
    if (!Object.hasOwn(schema.properties, key)) reportUnused(schema, joinPath(at.path, key), child, findings)
  }
  const result: Record<string, unknown> = {}
  for (const [key, child] of Object.entries(schema.properties)) {
    const below = map.entries.get(key)
    const value = checkTree(child, below, { path: joinPath(at.path, key), origin: map.origin }, findings)
    if (value !== undefined) result[key] = value
  }
  return result
}

function openSection(
  schema: TSchema,
  node: RawNode | undefined,
  at: { path: string; origin: string },
  findings: Findings,
): MapNode | undefined {
  if (node === undefined || isBlank(node)) return makeMap(node?.origin ?? at.origin)
  const { shorthand, listKey } = notesOf(schema)
  const full = shorthand === true ? expandShorthand(node) : node
  const open = listKey === undefined ? full : expandList(full, listKey)
  if (open.kind === 'map') return open
  const what = open.kind === 'invalid' ? 'not valid YAML' : 'expected a section'
  findings.faults.push({
    where: open.origin,
    path: at.path,
    what,
    hint: 'write `key: value` lines below it',
  })
  return undefined
}

// The name of a header is case-insensitive: two spellings are one header, and the later one counts.
function checkRecord(
  schema: TSchema,
  node: RawNode | undefined,
  at: { path: string; origin: string },
  findings: Findings,
): unknown {
  if (node === undefined || isBlank(node)) return structuredClone(notesOf(schema).default)
  const map = openSection(schema, node, at, findings)
  const item = Type.IsRecord(schema) ? Type.RecordValue(schema) : Type.String()
  const isHeaders = Type.IsArray(item)
  const result: [string, unknown][] = []
  for (const [key, child] of map?.entries ?? []) {
    const path = joinPath(at.path, key)
    if (isHeaders && !/^[\w!#$%&'*+.^`|~-]+$/u.test(key)) {
      findings.faults.push({
        where: child.origin,
        path,
        what: 'not a header name',
        hint: 'write a name such as X-Frame-Options',
      })
      continue
    }
    const isNothing = Type.IsString(item) && isBlank(child)
    const value = isNothing ? '' : checkTree(item, child, { path, origin: child.origin }, findings)
    const twin = result.find(([name]) => isHeaders && name.toLowerCase() === key.toLowerCase())
    if (twin === undefined) result.push([key, value])
    else twin[1] = value
  }
  return Object.fromEntries(result)
}

function checkList(
  schema: TSchema,
  node: RawNode | undefined,
  at: { path: string; origin: string },
  findings: Findings,
): unknown {
  if (node === undefined || isBlank(node)) return structuredClone(notesOf(schema).default) ?? []
  if (node.kind !== 'list') {
    const what = node.kind === 'invalid' ? 'not valid YAML' : 'expected a list'
    findings.faults.push({
      where: node.origin,
      path: at.path,
      what,
      hint: 'write [first, second]',
    })
    return []
  }
  const { items } = schema as { items: TSchema } & TSchema
  return node.items.map((child, index) => {
    return checkTree(items, child, { path: `${at.path}[${index}]`, origin: child.origin }, findings)
  })
}

/** Says what becomes of a key that `schema` does not have. */
export function reportUnused(
  schema: TSchema & { readonly properties: object },
  path: string,
  node: RawNode,
  findings: Findings,
): void {
  const unused = findings.isOwn === true ? undefined : UNUSED.get(path)
  const known = Object.keys(schema.properties).join(', ')
  const { closed } = notesOf(schema)
  if (unused?.kind === 'silent') return
  if (unused?.kind === 'ignored') return warn(findings, node.origin, path, unused.why)
  if (unused?.kind === 'refused') {
    findings.faults.push({ where: node.origin, path, what: unused.why, hint: unused.hint })
  } else if (closed !== undefined) {
    findings.faults.push({
      where: node.origin,
      path,
      what: closed,
      hint: `the keys here are: ${known}`,
    })
  } else {
    const key = path.slice(path.lastIndexOf('.') + 1)
    const meant = findNearest(key, Object.keys(schema.properties))
    // Ignoring a slip of the pen can open the registry or have it store elsewhere: `auths:`, `htp:`, `rootdir:`.
    if (meant === undefined) warn(findings, node.origin, path, `unknown key, ignored (the keys here are: ${known})`)
    else findings.faults.push({ where: node.origin, path, what: 'unknown key', hint: `did you mean ${meant}?` })
  }
}

/** The word of `known` that `text` is most likely a misspelling of; undefined when it is like none of them. */
export function findNearest(text: string, known: readonly string[]): string | undefined {
  const key = text.toLowerCase()
  const near = known
    .map((word) => ({ word, far: isShortened(key, word) ? 1 : countEdits(key, word.toLowerCase()) }))
    .filter(({ word, far }) => far <= (Math.min(key.length, word.length) > 4 ? 2 : 1))
  return near.toSorted((a, b) => a.far - b.far)[0]?.word
}

// `rootdir`, `cert`: four letters or more are no accident.
function isShortened(key: string, word: string): boolean {
  return key.length > 3 && word.toLowerCase().startsWith(key)
}

/** How many letters must be put in, left out, changed or swapped with the next one to make `b` of `a`. */
function countEdits(a: string, b: string): number {
  // Nothing near is this long, and the work grows with the square.
  if (Math.abs(a.length - b.length) > 2) return Number.POSITIVE_INFINITY
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)]
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0
  for (let row = 1; row <= a.length; row += 1) {
    rows.push([row])
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1]
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      rows[row]?.push(
        Math.min(
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          at(row - 1, column - 1) + (same ? 0 : 1),
          swapped ? at(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
  }
  return at(a.length, b.length)
}

function warn(findings: Findings, where: string, path: string, what: string): void {
  const line = describeFault({ where, path, what })
  if (!findings.warnings.includes(line)) findings.warnings.push(line)
}

function joinPath(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}
