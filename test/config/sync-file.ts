import t from 'tap'
import { ALL_TAGS, parseSyncFile } from '../../src/config/sync-file.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const WHOLE = `version: 1
defaults: {platforms: [linux/amd64], referrers: true, schedule: "0 2 * * *", window: "22:00-06:00", bandwidth: 50MB/s}
registries: {quay.io: {credentials: {authFile: pull-secret.json}, concurrency: 6}}
sync:
  - {from: docker.io/library/alpine, to: library/alpine, tags: {semver: ">=3.18", newest: 3, deny: [".*-rc.*"]}}
  - {from: "registry.corp:5000", to: corp, repositories: ["team/**"], tags: {allow: ["v.*"]}, prune: {maxShare: 10%}}
  - {from: quay.io/prometheus/node-exporter@${DIGEST}, to: prom/node-exporter, tag: pinned}
`

const read = (text: string) => parseSyncFile(text, 's.yml', '/home')
const readEntry = (entry: string, defaults = '{}') =>
  read(`version: 1\ndefaults: ${defaults}\nsync: [${entry}]`).entries[0]

t.test('a whole file says for each entry what holds for it', async (t) => {
  const { entries, registries, limits, warnings } = read(WHOLE)
  const common = {
    platforms: ['linux/amd64'],
    referrers: true,
    schedule: '0 2 * * *',
    catchUp: true,
    windows: [{ from: 22 * 60, to: 6 * 60 }],
    onlySigned: false,
  }
  t.same(entries, [
    {
      source: { host: 'docker.io', repository: 'library/alpine' },
      to: 'library/alpine',
      repositories: [],
      tags: { names: [], allow: [], deny: ['.*-rc.*'], semver: '>=3.18', newest: 3, by: 'semver' },
      ...common,
    },
    {
      source: { host: 'registry.corp:5000' },
      to: 'corp',
      repositories: ['team/**'],
      tags: { ...ALL_TAGS, allow: ['v.*'] },
      prune: { maxShare: 0.1 },
      ...common,
    },
    {
      source: { host: 'quay.io', repository: 'prometheus/node-exporter', digest: DIGEST },
      to: 'prom/node-exporter',
      tag: 'pinned',
      repositories: [],
      tags: ALL_TAGS,
      ...common,
    },
  ])
  t.same([...registries], [['quay.io', { credentials: { authFile: '/home/pull-secret.json' }, concurrency: 6 }]])
  t.same(limits, { bandwidth: 50_000_000 })
  t.same(warnings, [])
})

t.test('an entry alone means all tags and platforms, referrers, no schedule and no pruning', async (t) => {
  t.same(readEntry('{from: quay.io/app}'), {
    source: { host: 'quay.io', repository: 'app' },
    repositories: [],
    tags: ALL_TAGS,
    platforms: 'all',
    referrers: true,
    schedule: 'off',
    catchUp: true,
    windows: [],
    onlySigned: false,
  })
})

t.test('what an entry says wins over the defaults, the smaller way too', async (t) => {
  const defaults = '{platforms: [linux/amd64], referrers: true, prune: {maxShare: 5%}, schedule: "0 2 * * *"}'
  const entry = readEntry('{from: quay.io/app, platforms: all, referrers: false, prune: , schedule: off}', defaults)
  t.match(entry, { platforms: 'all', referrers: false, prune: { maxShare: 0.1 }, schedule: 'off' })
  t.match(readEntry('{from: quay.io/app}', defaults), { platforms: ['linux/amd64'], prune: { maxShare: 0.05 } })
  t.equal(readEntry('{from: "quay.io/app:1"}', defaults)?.prune, undefined, 'one image leaves nothing to prune')
})

t.test('tags may be a list or one word, and numbers stay as they are written', async (t) => {
  t.same(readEntry('{from: quay.io/app, tags: [3.20, latest, "v1.*"]}')?.tags.names, ['3.20', 'latest', 'v1.*'])
  t.same(readEntry('{from: quay.io/app, tags: 1.10}')?.tags.names, ['1.10'])
  t.same(readEntry('{from: quay.io/app, tags: }')?.tags, ALL_TAGS)
})

t.test('paths start at the directory of the file, and names of registries are those of images', async (t) => {
  const { registries, entries } = read(`version: 1
defaults: {onlySigned: true, policy: policy.json}
registries:
  index.docker.io: {ca: ca.pem, credentials: {username: u, passwordFile: /p}, url: ["https://mirror.example"]}
sync: [{from: docker.io/alpine}]`)
  t.same(registries.get('docker.io'), {
    credentials: { username: 'u', passwordFile: '/p' },
    url: ['https://mirror.example'],
    ca: '/home/ca.pem',
  })
  t.match(entries[0], { onlySigned: true, policy: '/home/policy.json' })
})

t.test('a registry that no entry needs is a warning', async (t) => {
  const { warnings } = read('version: 1\nregistries: {qauy.io: {}}\nsync: [{from: quay.io/app}]')
  t.same(warnings, ['s.yml:2: registries.qauy.io: no entry of sync is from this registry'])
})
