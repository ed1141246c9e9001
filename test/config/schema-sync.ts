import { readFileSync } from 'node:fs'
import t from 'tap'
import { Value } from 'typebox/value'
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
