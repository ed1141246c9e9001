import t from 'tap'
import { parseSyncFile } from '../../../src/config/sync-file.ts'
import { Problem } from '../../../src/config/problem.ts'
import type { FindParts } from '../../../src/mirror/sync/find-images.ts'
import { findImages } from '../../../src/mirror/sync/find-images.ts'
import type { Upstream } from '../../../src/mirror/upstream.ts'

const entriesOf = (...entries: readonly string[]) =>
  parseSyncFile(`version: 1\nsync: [${entries.join(', ')}]\n`, 's.yml', '/').entries

function partsOf(upstreamOf: FindParts['upstreamOf']): FindParts {
  return {
    upstreamOf,
    known: [],
    signal: new AbortController().signal,
    patient: (_host, act) => act(),
    datesOf: async () => new Map(),
  }
}

t.test('a login that one registry lacks does not keep the others', async (t) => {
  const parts = partsOf((host) => {
    if (host === 'a.test') throw new Problem('cannot read the credentials /x: ENOENT', { hint: 'check the path' })
    return { config: { host } } as Upstream
  })
  const entries = entriesOf('{from: "a.test/x:1"}', '{from: "b.test/y:2"}')
  const found = await findImages(entries, parts)
  t.match(found, {
    asks: [{ image: { from: 'b.test/y:2' } }],
    unread: [{ from: 'a.test/x:1', why: 'cannot read the credentials /x: ENOENT (check the path)' }],
  })
  t.equal(found.asks.length, 1)
})

t.test('what nobody can mend ends the run', async (t) => {
  const parts = partsOf(() => {
    throw new Error('a bug')
  })
  await t.rejects(findImages(entriesOf('{from: "a.test/x:1"}'), parts), { message: 'a bug' })
})

t.test('a list that goes on behind what is read of it is told', async (t) => {
  let complete = false
  const client = {
    listRepositories: async () => ({ repositories: ['team/a'], complete }),
    listTags: async () => ({ tags: ['v1', 'v2'], complete }),
  }
  const parts = partsOf((host) => ({ config: { host, concurrency: 2 }, client }) as unknown as Upstream)
  const entries = entriesOf('{from: "a.test", to: lab}')
  const found = await findImages(entries, parts)
  t.equal(found.asks.length, 2)
  t.same(found.places, [], 'nothing is pruned')
  t.match(found.unread, [
    { from: 'a.test/team/a', why: 'only the first 2 tags of its list are read; what is behind them must be named' },
    { from: 'a.test', why: /^only the first 1 repositories/ },
  ])
  complete = true
  const whole = await findImages(entries, parts)
  t.same(whole.unread, [])
  t.equal(whole.places.length, 1)
})
