// Keeps the house in order: who may import whom, which package stands where, and how long a file may be.
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import t from 'tap'

const ROOT = resolve(import.meta.dirname, '..')
const SRC = join(ROOT, 'src')

// Each folder may import from those of a lower rank; folders of one rank may import each other without cycles.
const RANKS: Readonly<Record<string, number>> = {
  oci: 0,
  storage: 1,
  upstream: 1,
  auth: 1,
  tls: 1,
  config: 1,
  registry: 2,
  mirror: 3,
  bundle: 3,
  exchange: 3,
  openshift: 4,
  http: 5,
  'app.ts': 6,
  'open-upkeep.ts': 6,
  cli: 7,
  'index.ts': 7,
  'main.ts': 8,
}

// Packages that only one folder may know (node:sqlite included, which only the keeper's lock uses).
const ONLY_IN: Readonly<Record<string, readonly string[]>> = {
  fastify: ['http', 'app.ts', 'index.ts', 'cli'],
  '@fastify/basic-auth': ['http'],
  '@prometheus-io/client': ['http'],
  undici: ['upstream'],
  commander: ['cli'],
  openpgp: ['mirror'],
  'htpasswd-js': ['auth'],
  bcryptjs: ['auth'],
  yaml: ['config', 'openshift'],
  typebox: ['config', 'http'],
  'typebox/value': ['config', 'http'],
  'fs-extra/esm': ['storage'],
  pino: ['app.ts', 'open-upkeep.ts', 'auth', 'cli', 'mirror', 'registry', 'storage', 'tls'],
  croner: ['config', 'registry'],
  semver: ['config', 'registry'],
  'tar-stream': ['storage', 'openshift'],
  'node:sqlite': ['storage'],
}

// app, index and cli hold instances that http makes: they may name Fastify's types, never its values.
const TYPES_ONLY: Readonly<Record<string, readonly string[]>> = {
  fastify: ['app.ts', 'index.ts', 'cli'],
  pino: ['auth', 'mirror', 'registry', 'storage', 'tls'],
}

const LONGEST_FILE = 300

interface Import {
  readonly from: string
  readonly specifier: string
  readonly typeOnly: boolean
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.ts') && !name.endsWith('.d.ts'),
)
const imports = files.flatMap(readImports)

function readImports(file: string): Import[] {
  const text = readFileSync(join(SRC, file), 'utf8')
  const found = text.matchAll(/^\s*(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]/gm)
  return [...found].map(([, type, specifier = '']) => ({ from: file, specifier, typeOnly: type !== undefined }))
}

function roomOf(file: string): string {
  return file.split('/')[0] ?? file
}

function targetOf({ from, specifier }: Import): string {
  return relative(SRC, resolve(SRC, dirname(from), specifier))
}

t.test('the imports of the source are found', async (t) => {
  t.ok(files.length > 50)
  t.ok(imports.some(({ from, specifier }) => from === 'http/v2.ts' && specifier === './gate.ts'))
  t.ok(imports.some(({ from, specifier, typeOnly }) => from === 'index.ts' && specifier === 'fastify' && typeOnly))
})

t.test('every room of the source has a rank', async (t) => {
  t.same(
    files.map(roomOf).filter((room) => !(room in RANKS)),
    [],
  )
})

t.test('no file imports from a room above its own', async (t) => {
  const upwards = imports
    .filter(({ specifier }) => specifier.startsWith('.'))
    .filter((entry) => !targetOf(entry).startsWith('..'))
    .filter((entry) => (RANKS[roomOf(targetOf(entry))] ?? 99) > (RANKS[roomOf(entry.from)] ?? -1))
  t.same(
    upwards.map((entry) => `${entry.from} -> ${targetOf(entry)}`),
    [],
  )
})

t.test('no imports run in a circle', async (t) => {
  const edges = new Map<string, string[]>()
  for (const entry of imports) {
    if (!entry.specifier.startsWith('.')) continue
    edges.set(entry.from, [...(edges.get(entry.from) ?? []), targetOf(entry)])
  }
  t.same(findCycle(edges), [])
})

t.test('a circle would be found', async (t) => {
  t.same(
    findCycle(
      new Map([
        ['a', ['b']],
        ['b', ['c']],
        ['c', ['a']],
      ]),
    ),
    ['a', 'b', 'c', 'a'],
  )
})

t.test('each package is known only where it belongs', async (t) => {
  const strangers = imports
    .filter(({ specifier }) => !specifier.startsWith('.'))
    .filter(({ specifier, from }) => {
      if (specifier.startsWith('node:') && !(specifier in ONLY_IN)) return false
      return !(ONLY_IN[specifier] ?? []).includes(roomOf(from))
    })
  t.same(
    strangers.map(({ from, specifier }) => `${from} -> ${specifier}`),
    [],
  )
})

t.test('packages that a room may only name in types are imported as types', async (t) => {
  const values = imports.filter(
    ({ specifier, from, typeOnly }) => !typeOnly && (TYPES_ONLY[specifier] ?? []).includes(roomOf(from)),
  )
  t.same(
    values.map(({ from, specifier }) => `${from} -> ${specifier}`),
    [],
  )
})

t.test('only layout.ts joins paths below the data directory', async (t) => {
  const joiners = files.filter(
    (file) =>
      (file.startsWith('storage/') || file.startsWith('registry/') || file.startsWith('http/')) &&
      file !== 'storage/layout.ts' &&
      /import \{[^}]*\b(?:join|resolve)\b[^}]*\} from 'node:path'/.test(readFileSync(join(SRC, file), 'utf8')),
  )
  t.same(joiners, [])
})

t.test('only index.ts re-exports', async (t) => {
  const barrels = files.filter(
    (file) => file !== 'index.ts' && /^export (?:\*|\{[^}]*\}) from/m.test(readFileSync(join(SRC, file), 'utf8')),
  )
  t.same(barrels, [])
})

t.test('no file is too long to be read at once', async (t) => {
  const long = files.filter((file) => readFileSync(join(SRC, file), 'utf8').split('\n').length > LONGEST_FILE)
  t.same(long, [])
})

t.test('ARCHITECTURE.md has a line for every file', async (t) => {
  const map = readFileSync(join(SRC, 'ARCHITECTURE.md'), 'utf8')
  t.same(
    files.filter((file) => !map.includes(`\`${file}\``)),
    [],
  )
})

t.test('every run-time package that is declared is used, and the other way round', async (t) => {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const packageOf = (specifier: string): string =>
    specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/')
  const used = new Set(
    imports
      .map(({ specifier }) => specifier)
      .filter((name) => !name.startsWith('.') && !name.startsWith('node:'))
      .map(packageOf),
  )
  t.same([...used].toSorted(), Object.keys(dependencies).toSorted())
})

/** The files of a circle, beginning and ending with the same one; empty when there is none. */
function findCycle(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): string[] => {
    const at = path.indexOf(file)
    if (at >= 0) return [...path.slice(at), file]
    if (done.has(file)) return []
    for (const next of edges.get(file) ?? []) {
      const cycle = visit(next, [...path, file])
      if (cycle.length > 0) return cycle
    }
    done.add(file)
    return []
  }
  for (const file of edges.keys()) {
    const cycle = visit(file, [])
    if (cycle.length > 0) return cycle
  }
  return []
}
