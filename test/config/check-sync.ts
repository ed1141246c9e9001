import t from 'tap'
import { ConfigError } from '../../src/config/config-error.ts'
import { SyncSchema } from '../../src/config/schema-sync.ts'
import { parseSyncFile } from '../../src/config/sync-file.ts'

function faultsOf(text: string): string[] {
  try {
    parseSyncFile(text, 's.yml', '/')
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    t.ok(error.faults.every(({ hint }) => hint !== ''))
    return error.message.split('\n')
  }
}

const HEAD = 'version: 1\nsync:\n'

// Entries from line 3 on.
const WRONG: [name: string, entries: string, fault: string][] = [
  ['no from', '- {to: a}', 's.yml:3: sync[0].from: missing'],
  ['a short name', '- {from: alpine}', 's.yml:3: sync[0].from: expected an image'],
  ['a slip of the pen', '- {from: quay.io/a, platfroms: all}', 's.yml:3: sync[0].platfroms: no such setting'],
  ['a place that is none', '- {from: quay.io/a, to: "a:1"}', 's.yml:3: sync[0].to: expected a path'],
  ['one inside tags', '- {from: quay.io/a, tags: {alow: [a]}}', 's.yml:3: sync[0].tags.alow: no such setting'],
  ['a bad expression', '- from: quay.io/a\n  tags: {allow: ["("]}', 's.yml:4: sync[0].tags.allow[0]: not a regular'],
  ['a bad range', '- {from: quay.io/a, tags: {semver: new}}', 's.yml:3: sync[0].tags.semver: expected a range'],
  ['no tags at all', '- {from: quay.io/a, tags: {newest: 0}}', 's.yml:3: sync[0].tags.newest: out of range'],
  ['a tag that is none', '- {from: quay.io/a, tags: [.a]}', 's.yml:3: sync[0].tags.names[0]: expected a tag'],
  ['a bad glob of tags', '- {from: quay.io/a, tags: ["{a"]}', 's.yml:3: sync[0].tags.names[0]: expected a tag'],
  ['a bad schedule', '- {from: quay.io/a, schedule: daily}', 's.yml:3: sync[0].schedule: expected five fields'],
  ['a bad window', '- {from: quay.io/a, window: night}', 's.yml:3: sync[0].window: expected times'],
  [
    'more than all',
    '- {from: quay.io/a, prune: {maxShare: 110%}}',
    's.yml:3: sync[0].prune.maxShare: expected a share',
  ],
  ['no platform', '- {from: quay.io/a, platforms: []}', 's.yml:3: sync[0].platforms: a list without'],
  ['a platform that is none', '- {from: quay.io/a, platforms: [linux]}', 's.yml:3: sync[0].platforms[0]: expected OS'],
  ['repositories of one', '- {from: quay.io/a, repositories: [b]}', 's.yml:3: sync[0].repositories: from names one'],
  ['tags of one image', '- {from: "quay.io/a:1", tags: [b]}', 's.yml:3: sync[0].tags: from names one image'],
  ['pruning of one image', '- {from: "quay.io/a:1", prune: {}}', 's.yml:3: sync[0].prune: one image leaves'],
  ['one tag for many images', '- {from: quay.io/a, tag: b}', 's.yml:3: sync[0].tag: a tag for more than one'],
  ['signatures of anybody', '- {from: quay.io/a, onlySigned: true}', 's.yml:3: sync[0].onlySigned: nothing says'],
  [
    'pruning what another brings',
    '- {from: quay.io/a, to: x, prune: {}}\n- {from: quay.io/b, to: x}',
    's.yml:3: sync[0].prune: another entry brings',
  ],
  [
    'or brings below it',
    '- {from: quay.io, to: x, prune: {}}\n- {from: quay.io/b, to: x/y}',
    's.yml:3: sync[0].prune: another entry brings',
  ],
  [
    'or brings to where a host with a port lies',
    '- {from: "a.test:5000/b", prune: {}}\n- {from: quay.io/b, to: a.test_5000/b}',
    's.yml:3: sync[0].prune: another entry brings',
  ],
]

for (const [name, entries, fault] of WRONG) {
  t.test(`refused with its line and a hint: ${name}`, async (t) => {
    const faults = faultsOf(HEAD + entries)
    t.equal(faults.length, 1)
    t.equal(faults[0]?.slice(0, fault.length), fault)
  })
}

t.test('entries with places of their own may be pruned', async (t) => {
  t.same(
    faultsOf(`${HEAD}- {from: quay.io/a, prune: {}}\n- {from: quay.io/a/b}\n- {from: quay.io, to: x, prune: {}}`),
    [],
  )
})

t.test('what is wrong beside the entries is told as well, all at once', async (t) => {
  const text = `version: 2
storage: {}
defaults: {bandwith: 1}
registries:
  quay.io: {concurrency: 0}
`
  t.same(
    faultsOf(text).map((line) => line.split(': ').slice(0, 2).join(': ')),
    ['s.yml:2: storage', 's.yml:1: version', 's.yml:3: defaults.bandwith', 's.yml:5: registries.quay.io.concurrency'],
  )
  t.match(faultsOf('version: 1'), [/sync: nothing to sync/])
  t.match(faultsOf('sync: [{from: quay.io/a}]'), [/version: missing/])
})

t.test('registries are named as images name them, once, with a whole login', async (t) => {
  const of = (registries: string): string[] =>
    faultsOf(`version: 1\nregistries: ${registries}\nsync: [{from: quay.io/a}]`)
  t.match(of('{"https://quay.io": {}}'), [/^s\.yml:2: registries\.https:\/\/quay\.io: not the name of a registry/])
  t.match(of('{quay.io: {}, QUAY.io: {}}'), [/registries\.QUAY\.io: this registry is there twice/])
  t.match(of('{quay.io: {credentials: {username: u}}}'), [/credentials\.username: username without passwordFile/])
  t.match(of('{quay.io: {url: ["http://a"]}}'), [/registries\.quay\.io\.url: plain http/])
  t.same(of('{quay.io: }'), [])
})

const COMMON = {
  platforms: '[linux]',
  referrers: 'maybe',
  schedule: 'daily',
  catchUp: 'maybe',
  window: 'night',
  prune: '{maxShare: much}',
  onlySigned: 'maybe',
  policy: '[a]',
}
const LIMITS = { concurrency: '0', bandwidth: 'fast' }
// Every key of the schema, with a value that it cannot have, and where that stands.
const SECTIONS: [name: string, keys: object, wrong: Record<string, string>, write: (pair: string) => string][] = [
  [
    'an entry',
    SyncSchema.properties.sync.items.properties,
    {
      from: 'alpine',
      to: '"a:1"',
      tag: '".a"',
      repositories: '["{a"]',
      tags: '{semver: new}',
      ...COMMON,
    },
    (pair) => `version: 1\nsync:\n- ${pair.startsWith('from') ? '' : 'from: quay.io/a'}\n  ${pair}\n`,
  ],
  [
    'tags',
    SyncSchema.properties.sync.items.properties.tags.properties,
    { names: '["{a"]', allow: '["("]', deny: '["("]', semver: 'new', newest: '0', by: 'size' },
    (pair) => `version: 1\nsync:\n- from: quay.io/a\n  tags: {${pair}}\n`,
  ],
  [
    'defaults',
    SyncSchema.properties.defaults.properties,
    { ...COMMON, ...LIMITS },
    (pair) => `version: 1\nsync: [{from: quay.io/a}]\ndefaults:\n  ${pair}\n`,
  ],
  [
    'a registry',
    Object.values(SyncSchema.properties.registries.patternProperties)[0]?.properties ?? {},
    {
      credentials: '{username: [a]}',
      url: '[":"]',
      ca: '[a]',
      insecure: 'maybe',
      origins: '[":"]',
      ...LIMITS,
    },
    (pair) => `version: 1\nsync: [{from: quay.io/a}]\nregistries:\n  quay.io: {${pair}}\n`,
  ],
]
for (const [name, keys, wrong, write] of SECTIONS) {
  t.test(`each key of ${name} is told of with its line and a hint`, async (t) => {
    t.same(Object.keys(wrong).toSorted(), Object.keys(keys).toSorted(), 'none is left out')
    for (const [key, value] of Object.entries(wrong)) {
      const faults = faultsOf(write(`${key}: ${value}`))
      t.match(faults[0], new RegExp(`^s\\.yml:4: .*\\b${key}\\b.*: `), `${key}: ${value}`)
      t.match(faultsOf(write(`${key}x: 1`)), [new RegExp(`^s\\.yml:4: .*${key}x: no such setting`)], `${key}x`)
    }
  })
}
