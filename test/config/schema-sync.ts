import { readFileSync } from 'node:fs'
import t from 'tap'
import { Value } from 'typebox/value'
import { parse } from 'yaml'
import { parseSyncFile } from '../../src/config/sync-file.ts'
import { toJsonSchema } from '../../src/config/json-schema.ts'
import { SyncSchema } from '../../src/config/schema-sync.ts'

const published = JSON.parse(readFileSync(new URL('../../docs/sync.schema.json', import.meta.url), 'utf8')) as Record<
  string,
  unknown
>

t.test(
  'the published JSON Schema is the one that files are checked by (node scripts/write-sync-schema.mjs)',
  async (t) => {
    t.same(published, JSON.parse(JSON.stringify(toJsonSchema(SyncSchema, 'Tarn sync file'))))
  },
)

t.test('the published schema takes what the check takes and refuses what it refuses', async (t) => {
  const takes = (file: unknown): boolean => Value.Check(published, file)
  const sync = [{ from: 'quay.io/a', tags: [3.2, 'b'], platforms: ['linux/amd64'], prune: {} }]
  t.ok(takes({ version: 1, sync }))
  t.ok(takes({ version: 1, defaults: { platforms: 'all' }, registries: { 'quay.io': {} }, sync: [{ from: 'a.b' }] }))
  t.notOk(takes({ version: 2, sync }))
  t.notOk(takes({ version: 1 }))
  t.notOk(takes({ version: 1, sync: [] }))
  t.notOk(takes({ version: 1, sync: [{ from: 'quay.io/a', platfroms: 'all' }] }))
  t.notOk(takes({ version: 1, sync: [{ from: 'quay.io/a', tags: { newest: 0 } }] }))
})

t.test('the file of the documentation is one that the schema and the check take', async (t) => {
  const page = readFileSync(new URL('../../docs/sync.md', import.meta.url), 'utf8')
  const [, text = ''] = /```yaml\n(version: 1\n[^`]*)```/.exec(page) ?? []
  const file = text.replace('sha256:…', `sha256:${'a'.repeat(64)}`)
  t.match(file, /semver: .*prune: .*tag: pinned/s)
  t.ok(Value.Check(published, parse(file)))
  t.equal(parseSyncFile(file, 'sync.md', '/').entries.length, 3)
})
