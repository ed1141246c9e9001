// Writes docs/sync.schema.json, which editors check sync files with: node scripts/write-sync-schema.mjs
import { writeFileSync } from 'node:fs'
import { toJsonSchema } from '../src/config/json-schema.ts'
import { SyncSchema } from '../src/config/schema-sync.ts'

const text = `${JSON.stringify(toJsonSchema(SyncSchema, 'Tarn sync file'), null, 2)}\n`
writeFileSync(new URL('../docs/sync.schema.json', import.meta.url), text)
