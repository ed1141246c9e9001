import t from 'tap'
import type { Test } from 'tap'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseReference } from '../../src/oci/reference.ts'
import { hashOf } from '../helpers/digest.ts'
import { catchUpstream, openUpstream, send, startFake } from '../helpers/upstream.ts'

const NAME = parseRepositoryName('team/app')
const TAG = parseReference('latest')
const BLOB = 'a blob of some bytes'

/** An upstream that says with manifests how many requests are left, and a client of it with a clock. */
async function startCounted(t: Test, remaining: () => number) {
  let now = Date.now()
  const fake = await startFake(t, ({ url }, response) => {
    const headers = { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': `${remaining()};w=21600` }
    if (url.includes('/manifests/')) send(response, 200, headers, '{"schemaVersion":2}')
    else send(response, 200, {}, BLOB)
  })
  const client = openUpstream(t, [fake.origin], { clock: () => now })
  return { fake, client, turn: (milliseconds: number) => (now += milliseconds) }
}

t.test(
  'an upstream that says that no request is left is spared for half a minute, HEADs and blobs excepted',
  async (t) => {
    let remaining = 1
    const { fake, client, turn } = await startCounted(t, () => remaining)
    await client.getManifest(NAME, TAG)
    remaining = 0
    await client.getManifest(NAME, TAG)
    const error = await catchUpstream(client.getManifest(NAME, TAG))
    t.match(error, { kind: 'limited', retryAfter: 30_000 })
    t.equal(fake.seen.length, 2)
    await client.headManifest(NAME, TAG)
    const { body } = await client.getBlob({ repository: NAME, digest: parseDigest(hashOf(BLOB)) })
    body.destroy()
    turn(30_000)
    remaining = 5
    await client.getManifest(NAME, TAG)
    await client.getManifest(NAME, TAG)
    t.equal(fake.seen.length, 6)
  },
)

t.test('one that gives answers although it said that none is left is not believed again', async (t) => {
  const { fake, client, turn } = await startCounted(t, () => 0)
  await client.getManifest(NAME, TAG)
  await catchUpstream(client.getManifest(NAME, TAG))
  turn(30_000)
  await client.headManifest(NAME, TAG)
  for (let number = 0; number < 3; number += 1) await client.getManifest(NAME, TAG)
  t.equal(fake.seen.length, 5)
})
