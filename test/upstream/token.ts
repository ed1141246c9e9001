import t from 'tap'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseReference } from '../../src/oci/reference.ts'
import { openUpstream, send, sendJson, startFake } from '../helpers/upstream.ts'
import type { FakeUpstream } from '../helpers/upstream.ts'
import type { Test } from 'tap'

const NAME = parseRepositoryName('team/app')
const TAG = parseReference('latest')

interface Hub {
  readonly fake: FakeUpstream
  /** How many tokens were asked for. */
  readonly count: () => number
}

/** An upstream that is its own token server; token number n is `token-n`, and `isGood` says which it takes. */
async function startHub(t: Test, answer: object, isGood: (token: string) => boolean = () => true): Promise<Hub> {
  const count = (): number => fake.seen.filter(({ url }) => url.startsWith('/token')).length
  const fake: FakeUpstream = await startFake(t, ({ url, headers }, response) => {
    const token = headers.authorization?.replace('Bearer ', '')
    if (url.startsWith('/token')) sendJson(response, { token: `token-${count()}`, ...answer })
    else if (token !== undefined && isGood(token)) send(response, 200, {}, '{}')
    else send(response, 401, { 'www-authenticate': `Bearer realm="${fake.origin}/token",service="hub"` })
  })
  return { fake, count }
}

t.test('a token is used for all requests of its scope until it expires', async (t) => {
  let now = 1_000_000
  const { fake, count } = await startHub(t, { expires_in: 300 })
  const client = openUpstream(t, [fake.origin], { clock: () => now })
  await client.getManifest(NAME, TAG)
  await client.getManifest(NAME, TAG)
  t.equal(count(), 1)
  t.equal(fake.seen.length, 4, 'the second request brought its token at once')
  now += 289_000
  await client.getManifest(NAME, TAG)
  t.equal(count(), 1)
  now += 1000
  await client.getManifest(NAME, TAG)
  t.equal(count(), 2, 'ten seconds before its end it is fetched again')
})

t.test('another repository gets a token of its own', async (t) => {
  const { fake, count } = await startHub(t, { expires_in: 300 })
  const client = openUpstream(t, [fake.origin])
  await client.getManifest(NAME, TAG)
  await client.getManifest(parseRepositoryName('team/other'), TAG)
  t.equal(count(), 2)
})

t.test('all who need the same token at the same time wait for one request', async (t) => {
  const { fake, count } = await startHub(t, { expires_in: 300 })
  const client = openUpstream(t, [fake.origin])
  await Promise.all(Array.from({ length: 8 }, () => client.getManifest(NAME, TAG)))
  t.equal(count(), 1)
})

t.test('a token that the upstream takes no more is replaced once', async (t) => {
  const bad = new Set<string>()
  const { fake, count } = await startHub(t, { expires_in: 300 }, (token) => !bad.has(token))
  const client = openUpstream(t, [fake.origin])
  await client.getManifest(NAME, TAG)
  bad.add('token-1')
  await client.getManifest(NAME, TAG)
  t.equal(count(), 2)
})

for (const [what, expires, holds] of [
  ['a life that is not told is a minute', undefined, 40_000],
  ['a life of ages is an hour', 1e12, 3_500_000],
  ['a negative life is a minute', -5, 40_000],
  ['a life in words is a minute', '3600', 40_000],
] as const) {
  t.test(what, async (t) => {
    let now = 1_000_000
    const { fake, count } = await startHub(t, expires === undefined ? {} : { expires_in: expires })
    const client = openUpstream(t, [fake.origin], { clock: () => now })
    await client.getManifest(NAME, TAG)
    now += holds
    await client.getManifest(NAME, TAG)
    t.equal(count(), 1)
    now += 110_000
    await client.getManifest(NAME, TAG)
    t.equal(count(), 2)
  })
}

t.test('one who leaves does not take the token from the others', async (t) => {
  const controller = new AbortController()
  let finish = (): void => undefined
  const fake: FakeUpstream = await startFake(t, ({ url, headers }, response) => {
    if (url.startsWith('/token')) {
      finish = () => sendJson(response, { token: 'x' })
      controller.abort(new Error('left'))
    } else if (headers.authorization === undefined)
      send(response, 401, { 'www-authenticate': `Bearer realm="${fake.origin}/token"` })
    else send(response, 200, {}, '{}')
  })
  const client = openUpstream(t, [fake.origin])
  const leaver = client.getManifest(NAME, TAG, { signal: controller.signal })
  const other = client.getManifest(NAME, TAG)
  await t.rejects(leaver, { message: 'left' })
  finish()
  t.equal((await other).bytes.toString(), '{}')
})
