import t from 'tap'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { hashOf } from '../helpers/digest.ts'
import { openUpstream, send, sendJson, startFake } from '../helpers/upstream.ts'

const NAME = parseRepositoryName('team/app')
const DIGEST = parseDigest(hashOf('subject'))
const REFERRER = {
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: hashOf('signature'),
  size: 9,
  artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
  annotations: { a: 'b' },
}
const LIST = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [REFERRER] }

t.test('tags come from all pages, each once, in order', async (t) => {
  const fake = await startFake(t, ({ url }, response) => {
    if (url.includes('last=b')) sendJson(response, { name: 'team/app', tags: ['b', 'c'] })
    else
      sendJson(
        response,
        { name: 'team/app', tags: ['a', 'b'] },
        { link: '</v2/team/app/tags/list?n=2&last=b>; rel="next"' },
      )
  })
  t.same(await openUpstream(t, [fake.origin]).listTags(NAME), { tags: ['a', 'b', 'c'], complete: true })
})

t.test("a repository without tags is an empty list, also in Go's way of writing it", async (t) => {
  const fake = await startFake(t, (_, response) => sendJson(response, { name: 'team/app', tags: null }))
  t.same(await openUpstream(t, [fake.origin]).listTags(NAME), { tags: [], complete: true })
})

t.test('referrers come from the API with all that they say', async (t) => {
  const fake = await startFake(t, (_, response) => sendJson(response, LIST))
  const list = await openUpstream(t, [fake.origin]).listReferrers(NAME, DIGEST)
  t.same(list, { descriptors: [REFERRER], via: 'api', complete: true })
  t.equal(fake.seen[0]?.url, `/v2/team/app/referrers/${DIGEST}`)
})

for (const status of [400, 404, 405, 406]) {
  t.test(`where the API is ${status} the tag of the subject stands in`, async (t) => {
    const fake = await startFake(t, ({ url }, response) =>
      url.includes('/referrers/') ? send(response, status) : sendJson(response, LIST),
    )
    const list = await openUpstream(t, [fake.origin]).listReferrers(NAME, DIGEST)
    t.same(list, { descriptors: [REFERRER], via: 'tag', complete: true })
    t.equal(fake.seen[1]?.url, `/v2/team/app/manifests/${DIGEST.replace(':', '-')}`)
  })
}

t.test('where neither the API nor the tag is there nothing refers to it', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 404))
  const list = await openUpstream(t, [fake.origin]).listReferrers(NAME, DIGEST)
  t.same(list, { descriptors: [], via: 'nothing', complete: true })
})
