import { readFileSync } from 'node:fs'
import t from 'tap'
import Type from 'typebox'
import type { TSchema } from 'typebox'
import { formatDuration } from '../../src/config/duration.ts'
import { notesOf } from '../../src/config/key.ts'
import { ConfigSchema } from '../../src/config/schema.ts'

const PAGE = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')

function listSettings(schema: TSchema, path: readonly string[] = []): [path: string, fallback: string | undefined][] {
  if (Type.IsObject(schema)) {
    return Object.entries(schema.properties).flatMap(([key, child]) => listSettings(child, [...path, key]))
  }
  const { default: value, duration } = notesOf(schema)
  const shown = typeof value === 'number' && duration === true ? formatDuration(value) : value
  return [[path.join('.'), shown === undefined || typeof shown === 'object' ? undefined : JSON.stringify(shown)]]
}

const settings = listSettings(ConfigSchema)

t.test('every setting is in the handbook page of the configuration', async (t) => {
  t.ok(settings.length > 40)
  for (const [path] of settings) t.ok(PAGE.includes(`\`${path}\``) || PAGE.includes(`\`${path}: `), path)
})

t.test('the page gives the defaults that hold', async (t) => {
  let compared = 0
  for (const [, path, fallback] of PAGE.matchAll(/^\| `([\w.]+)` \| `([^`]+)` \|/gmu)) {
    const holds = settings.find(([name]) => name === path)?.[1]
    if (holds === undefined) continue
    compared += 1
    t.equal(fallback === '60s' ? '1m' : fallback, holds.replaceAll('"', ''), path ?? '')
  }
  t.ok(compared > 20, `${compared} defaults were compared`)
})
