// A random tree of settings reads the same from the file and from one variable a leaf.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import Type from 'typebox'
import type { TSchema } from 'typebox'
import { stringify } from 'yaml'
import { formatDuration } from '../../src/config/duration.ts'
import { notesOf, wordOrOf } from '../../src/config/key.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { ConfigSchema } from '../../src/config/schema.ts'

function load(env: Record<string, string>, text: string): Config {
  return loadConfig({ path: 'c.yml', env, readFile: () => text }).config
}

type Leaf = readonly [path: readonly string[], value: unknown]

const WORD = fc.stringMatching(/^[a-z][a-z0-9]{0,7}$/)
const TEXT = fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme-ascii' }).filter((text) => text.trim() === text)

const FORMED: Record<string, fc.Arbitrary<string>> = {
  address: fc.integer({ min: 0, max: 65_535 }).map((port) => `[::1]:${port}`),
  target: WORD.map((host) => `${host}:80`),
  prefix: WORD.map((path) => `/${path}/`),
  origin: WORD.map((host) => `https://${host}:5000`),
  uri: WORD.map((host) => `http://${host}/x?y=z`),
  path: WORD.map((path) => `/${path}`),
  header: fc.stringMatching(/^[!-~][ -~]{0,9}[!-~]$/),
  realm: fc.stringMatching(/^[A-Za-z#@&*][A-Za-z #:]{0,9}[A-Za-z]$/),
  schedule: fc.constantFrom('off', '0 3 * * *', '*/5 * * * 1-5'),
  glob: WORD.map((name) => `${name}/**`),
  bytes: fc.constantFrom('20MB', '5GiB', '1024'),
  room: fc.constantFrom('5%', '1GiB', '5% 1GiB'),
  upstream: WORD.map((host) => `https://${host}.example:5000/path`),
  bareOrigin: WORD.map((host) => `https://${host}.example`),
  registry: WORD.map((host) => `${host}.example:5000`),
  repository: WORD.map((name) => `mirror/${name}`),
  platform: fc.constantFrom('linux/amd64', 'linux/arm64/v8'),
  bound: fc.constantFrom('80%', '500GiB'),
  pattern: WORD.map((host) => `^https://${host}\\.com/`),
}

function arbitraryLeaf(schema: TSchema, path: readonly string[]): fc.Arbitrary<unknown> {
  const { form, duration } = notesOf(schema)
  const { minimum = 0, maximum = 2 ** 31 } = schema as { minimum?: number; maximum?: number }
  if (Type.IsEnum(schema)) return fc.constantFrom(...schema.enum.map(String))
  if (Type.IsBoolean(schema)) return fc.boolean()
  if (path.join('.') === 'http.addr') return FORMED['address'] as fc.Arbitrary<string>
  if (Type.IsString(schema)) return form === undefined ? TEXT : (FORMED[form] ?? TEXT)
  const number = fc.integer({ min: Math.max(1, minimum), max: maximum })
  return duration === true ? number.map(formatDuration) : number
}

function arbitraryLeaves(schema: TSchema, path: readonly string[] = []): fc.Arbitrary<Leaf[]> {
  const join = (parts: fc.Arbitrary<Leaf[]>[]): fc.Arbitrary<Leaf[]> => fc.tuple(...parts).map((all) => all.flat())
  if (Type.IsObject(schema)) {
    return join(Object.entries(schema.properties).map(([key, child]) => arbitraryLeaves(child, [...path, key])))
  }
  if (Type.IsArray(schema)) {
    const { items } = schema as TSchema & { items: TSchema }
    return fc
      .integer({ min: 0, max: 3 })
      .chain((length) => join(Array.from({ length }, (_, index) => arbitraryLeaves(items, [...path, String(index)]))))
  }
  const choice = wordOrOf(schema)
  if (choice !== undefined) {
    const word = fc.constantFrom(...choice.words).map((value): Leaf[] => [[path, value]])
    return fc.oneof(word, arbitraryLeaves(choice.other, path))
  }
  if (Type.IsRecord(schema)) {
    return fc
      .uniqueArray(WORD, { minLength: 1, maxLength: 3 })
      .chain((keys) => join(keys.map((key) => arbitraryLeaves(Type.RecordValue(schema), [...path, key]))))
  }
  const leaf = arbitraryLeaf(schema, path).map((value): Leaf[] => [[path, value]])
  // A list's item or a map's entry is always whole; elsewhere a setting may be left out.
  const inside = path.some((part) => /^\d+$/u.test(part)) || path[1] === 'fields' || path[1] === 'headers'
  return inside || path.includes('htpasswd') || path.includes('tls') ? leaf : fc.oneof(leaf, fc.constant<Leaf[]>([]))
}

function buildTree(leaves: readonly Leaf[]): unknown {
  const keys = [...new Set(leaves.map(([path]) => path[0] as string))]
  const members = keys.map((key) => {
    const below = leaves.filter(([path]) => path[0] === key).map(([path, value]): Leaf => [path.slice(1), value])
    const [first] = below
    return [key, first !== undefined && first[0].length === 0 ? first[1] : buildTree(below)] as const
  })
  const isList = keys.length > 0 && keys.every((key) => /^\d+$/u.test(key))
  return isList ? members.map(([, value]) => value) : Object.fromEntries(members)
}

// What does not go together is not what is tried here: net: unix wants a path for an address, platforms: list a list, and
// there are two ways to give a login.
const ALONE = new Set(['authFile', 'mirror.anonymous', 'proxy.username', 'proxy.password'])

function stands([path, value]: Leaf): boolean {
  if (value === 'unix' || (path.at(-1) === 'platforms' && value === 'list')) return false
  return !ALONE.has(path.join('.')) && !ALONE.has(path.at(-1) as string)
}

// No two upstreams have one host or path.
function setApart([path, value]: Leaf): Leaf {
  const [root, , index, key] = path
  const isName = root === 'mirror' && (key === 'host' || key === 'path')
  return isName ? [path, String(value).replace(/^[a-z]+/, `$&-${index}`)] : [path, value]
}

t.test('every setting reads the same from its variable as from the file', async (t) => {
  let leavesSeen = 0
  fc.assert(
    fc.property(arbitraryLeaves(ConfigSchema), (drawn) => {
      const leaves = drawn.filter((leaf) => stands(leaf)).map((leaf) => setApart(leaf))
      leavesSeen += leaves.length
      // A mirror wants a login, or this.
      if (leaves.some(([[root]]) => root === 'mirror')) leaves.push([['mirror', 'anonymous'], true])
      const env = Object.fromEntries(
        leaves.map(([path, value]) => [
          ['REGISTRY', ...path.map((part) => part.toUpperCase())].join('_'),
          typeof value === 'string' ? JSON.stringify(value) : String(value),
        ]),
      )
      assert.deepStrictEqual(load(env, ''), load({}, stringify(buildTree(leaves))))
    }),
    { numRuns: 60 },
  )
  t.ok(leavesSeen > 1000, `${leavesSeen} settings were tried`)
})
