// distribution's rule for REGISTRY_* variables: each names a path into the tree, and its value is YAML that replaces
// what the file says there. It must never fail on a variable that is not a setting (Kubernetes sets some), and
// never print a value.
import Type from 'typebox'
import type { TObject, TSchema } from 'typebox'
import type { Fault } from './config-error.ts'
import type { WordOr } from './key.ts'
import { notesOf, wordOrOf } from './key.ts'
import { ConfigSchema } from './schema.ts'
import type { ListNode, MapNode, RawNode } from './tree.ts'
import { expandShorthand, isBlank, makeMap } from './tree.ts'
import { UNUSED } from './unused.ts'
import { parseYamlValue } from './yaml-file.ts'

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>

const PREFIX = 'REGISTRY_'
// The first names the file; the second distribution leaves out of the rule.
const NO_SETTINGS = new Set(['REGISTRY_CONFIGURATION_PATH', 'REGISTRY_VERSION'])
// What Kubernetes sets in every pod for a Service called registry or registry-….
const SERVICE_LINK = /_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/u

interface Setting {
  readonly name: string
  readonly text: string
  readonly faults: Fault[]
}

/** Where a walk stands: `anyCase` once it is inside one of distribution's maps, `path` dotted. */
interface Place {
  readonly path: string
  readonly anyCase: boolean
}

/**
 * Writes every REGISTRY_* variable into `root`, parents before children, and returns the warnings about variables
 * that name no setting. Faults (a list index past the end, a login emptied) go to `faults`.
 */
export function applyEnvironment(root: MapNode, env: Environment, faults: Fault[]): string[] {
  const unknown: string[] = []
  const links: string[] = []
  const names = Object.keys(env).filter((name) => name.startsWith(PREFIX) && !NO_SETTINGS.has(name))
  // By name, so that REGISTRY_STORAGE is applied before REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY.
  for (const name of names.toSorted()) {
    const text = env[name]
    if (text === undefined) continue
    const segments = name.slice(PREFIX.length).split('_')
    const place: Place = { path: '', anyCase: false }
    const done = assign(ConfigSchema, root, segments, place, { name, text, faults })
    if (done === undefined) (SERVICE_LINK.test(name) ? links : unknown).push(name)
  }
  return [
    ...unknown.map((name) => `${name}: names no setting, ignored`),
    ...(links.length > 0 ? [`${links.join(', ')}: set by Kubernetes for a Service, ignored`] : []),
  ]
}

// The node that stands at this place once the setting is applied; undefined when the rest of the name leads nowhere.
function assign(
  schema: TSchema | undefined,
  node: RawNode | undefined,
  segments: readonly string[],
  place: Place,
  setting: Setting,
): RawNode | undefined {
  if (segments.length === 0) return replaceNode(node, place, setting)
  if (schema === undefined) return assignUnused(node, segments, place, setting)
  const choice = wordOrOf(schema)
  if (choice !== undefined) return assign(choice.other, openWord(choice, node), segments, place, setting)
  if (Type.IsArray(schema))
    return assignItem((schema as TSchema & { items: TSchema }).items, node, segments, place, setting)
  if (Type.IsObject(schema)) return assignKey(schema, node, segments, place, setting)
  if (Type.IsRecord(schema)) return assignEntry(Type.RecordValue(schema), node, segments, place, setting)
  return undefined
}

// A word where a list may be is a list of it; where a section may be it gives way.
function openWord({ words, other }: WordOr, node: RawNode | undefined): RawNode | undefined {
  if (node?.kind !== 'scalar' || !words.includes(node.text)) return node
  return Type.IsArray(other) ? { kind: 'list', origin: node.origin, items: [node] } : undefined
}

// An empty variable (a compose file whose own variable is unset) would quietly open what the file closes: its login, its
// client certificates. distribution lets that happen.
function replaceNode(node: RawNode | undefined, place: Place, { name, text, faults }: Setting): RawNode {
  const value = parseYamlValue(text, name)
  if (isBlank(value) && isSection(node, place)) {
    const instead = place.path === 'auth' ? 'write REGISTRY_AUTH=none to run without login' : 'give it a value'
    faults.push({
      where: name,
      path: place.path,
      what: 'the variable is empty, which would remove what the file says here',
      hint: `unset the variable, or ${instead}`,
    })
  }
  return value
}

function isSection(node: RawNode | undefined, { path }: Place): boolean {
  if (node?.kind === 'map') return node.entries.size > 0
  if (node?.kind === 'list') return node.items.length > 0
  return path === 'auth' && !isBlank(node)
}

function assignKey(
  schema: TObject,
  node: RawNode | undefined,
  segments: readonly string[],
  place: Place,
  setting: Setting,
): RawNode | undefined {
  const [segment = '', ...rest] = segments
  const notes = notesOf(schema)
  const anyCase = place.anyCase || notes.anyCase === true
  const wanted = anyCase ? segment.toUpperCase() : segment
  const key = findKey(schema, wanted) ?? findUnusedKey(place.path, wanted)
  const open = notes.closed !== undefined && notes.anyCase === true
  if (key === undefined && (!open || segment === '' || SERVICE_LINK.test(setting.name))) return undefined
  // Below storage and auth every name is a driver or a kind of login, as in distribution: the check refuses it.
  const name = key ?? segment.toLowerCase()
  const map = openMap(node, notes.shorthand === true, setting)
  if (map === undefined) return node
  const below = { path: place.path === '' ? name : `${place.path}.${name}`, anyCase }
  const value = assign(
    Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined,
    map.entries.get(name),
    rest,
    below,
    setting,
  )
  if (value === undefined) return undefined
  map.entries.set(name, value)
  return map
}

function findKey(schema: TObject, wanted: string): string | undefined {
  return Object.entries(schema.properties).find(
    ([key, child]) => key.toUpperCase() === wanted || notesOf(child).goName?.toUpperCase() === wanted,
  )?.[0]
}

function findUnusedKey(path: string, wanted: string): string | undefined {
  const prefix = path === '' ? '' : `${path}.`
  for (const full of UNUSED.keys()) {
    const key = full.slice(prefix.length)
    if (full.startsWith(prefix) && !key.includes('.') && key.toUpperCase() === wanted) return key
  }
  return wanted === 'LOGLEVEL' && path === '' ? 'loglevel' : undefined
}

// Nothing below a key that is not used matters, only that somebody set it.
function assignUnused(
  node: RawNode | undefined,
  segments: readonly string[],
  place: Place,
  setting: Setting,
): RawNode | undefined {
  if (place.path === 'loglevel') return undefined
  const map = openMap(node, false, setting) ?? makeMap(setting.name)
  map.entries.set(segments.join('_').toLowerCase(), makeMap(setting.name))
  return map
}

function assignEntry(
  item: TSchema,
  node: RawNode | undefined,
  segments: readonly string[],
  place: Place,
  setting: Setting,
): RawNode | undefined {
  const [segment = '', ...rest] = segments
  if (segment === '') return undefined
  const map = openMap(node, false, setting)
  if (map === undefined) return node
  const name =
    [...map.entries.keys()].find((key) => key.toUpperCase() === segment.toUpperCase()) ?? segment.toLowerCase()
  const value = assign(item, map.entries.get(name), rest, { path: `${place.path}.${name}`, anyCase: true }, setting)
  if (value === undefined) return undefined
  map.entries.set(name, value)
  return map
}

function assignItem(
  item: TSchema,
  node: RawNode | undefined,
  segments: readonly string[],
  place: Place,
  setting: Setting,
): RawNode | undefined {
  const [segment = '', ...rest] = segments
  const list: ListNode | undefined =
    node === undefined || isBlank(node)
      ? { kind: 'list', origin: setting.name, items: [] }
      : node.kind === 'list'
        ? node
        : undefined
  if (list === undefined) return node
  const index = /^\d{1,6}$/u.test(segment) ? Number(segment) : -1
  if (index < 0 || index > list.items.length) {
    setting.faults.push({
      where: setting.name,
      path: place.path,
      what: `no place in a list of ${list.items.length}`,
      hint: 'number the items from 0 without gaps',
    })
    return list
  }
  const value = assign(
    item,
    list.items[index],
    rest,
    { path: `${place.path}[${index}]`, anyCase: place.anyCase },
    setting,
  )
  if (value === undefined) return undefined
  list.items[index] = value
  return list
}

// The section to write into; undefined when the file has something else there, which the check reports.
function openMap(node: RawNode | undefined, shorthand: boolean, { name }: Setting): MapNode | undefined {
  if (node === undefined || isBlank(node)) return makeMap(name)
  const open = shorthand ? expandShorthand(node) : node
  return open.kind === 'map' ? open : undefined
}
