import t from 'tap'
import type { Test } from 'tap'
import { Fill } from '../../src/mirror/fill.ts'
import { FillRecords } from '../../src/mirror/fill-records.ts'
import { Fills } from '../../src/mirror/fills.ts'
import type { Located } from '../../src/mirror/route.ts'
import { makeTally } from '../../src/mirror/tally.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { readManifest } from '../../src/oci/manifest.ts'
import type { StoredManifest } from '../../src/storage/manifests.ts'
import { makeTurns } from '../../src/upstream/turns.ts'
import { until } from '../helpers/mirror.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../helpers/push.ts'
import { A, makeContext, makeStore } from '../helpers/store.ts'

/** An index of which nobody has a child yet, `size` bytes long at least. */
function makeIndex(number: number, size = 0): StoredManifest {
  const child = { mediaType: OCI_MANIFEST, digest: digestOf(Buffer.from(`child ${number}`)), size: 7 }
  const annotations = { note: 'x'.repeat(size) }
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [child], annotations }))
  return { digest: digestOf(bytes), bytes, manifest: readManifest(bytes) }
}

/** Fills that bring nothing, of an upstream of which no platform is wanted unless asked for. */
function makeFills(t: Test, most: { readonly count: number; readonly bytes: number }) {
  const context = makeContext(makeStore(t.testdir({})))
  const end = new AbortController()
  const signal = (): AbortSignal => end.signal
  const quiet = { info: () => undefined, warn: () => undefined, debug: () => undefined }
  const upstream = { config: { host: 'up.test' }, wants: () => false }
  const located = { name: A, repository: A, upstream } as unknown as Located
  const never = new Promise<void>(() => undefined)
  let isStuck = true
  const made: Fill[] = []
  const fills = new Fills({
    records: new FillRecords(context.store.layout),
    tally: makeTally(),
    logger: quiet,
    clock: () => Date.now(),
    elapsed: () => performance.now(),
    signal,
    most,
    complete: async () => undefined,
    make: (of, stored, tags, { checkedAt }) => {
      const its = isStuck ? ({ ...of, upstream: { ...upstream, wants: () => true } } as unknown as Located) : of
      const fill = new Fill(its, stored, tags, checkedAt, {
        context,
        signal: signal(),
        turns: makeTurns(1),
        blobs: { fetch: async () => undefined },
        fillChild: () => never,
      })
      made.push(fill)
      return fill
    },
  })
  t.teardown(() => end.abort(new Error('the test is over')))
  const begin = async (stored: StoredManifest): Promise<void> => {
    await fills.begin(located, stored, [])
    const fill = made.at(-1)
    await until('it waits', () => isStuck || fill?.isWaiting === true)
  }
  return { fills, begin, release: () => (isStuck = false) }
}

t.test(
  'of too many indexes that nobody wants a platform of the oldest is given up, not one that is being filled',
  async (t) => {
    const { fills, begin, release } = makeFills(t, { count: 3, bytes: 1e9 })
    // However many are: an upstream that answers for a while with manifests only is no reason.
    const stuck = [-1, -2, -3, -4, -5].map((number) => makeIndex(number))
    for (const stored of stuck) await begin(stored)
    release()
    const waiting = [1, 2, 3, 4].map((number) => makeIndex(number))
    for (const stored of waiting) await begin(stored)
    await until('one is given up', () => fills.count === 8)
    t.same(
      fills.status().map(({ digest }) => digest),
      [...stuck, ...waiting.slice(1)].map(({ digest }) => digest),
    )
  },
)

t.test('so are those whose manifests take too much memory together', async (t) => {
  const { fills, begin, release } = makeFills(t, { count: 100, bytes: 25_000 })
  release()
  const waiting = [1, 2, 3].map((number) => makeIndex(number, 10_000))
  for (const stored of waiting) await begin(stored)
  await until('one is given up', () => fills.count === 2)
  await begin(makeIndex(4, 20_000))
  await until('the others are too', () => fills.count === 1)
})
