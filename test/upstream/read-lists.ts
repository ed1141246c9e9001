import t from 'tap'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { hashOf } from '../helpers/digest.ts'
import { catchUpstream, openUpstream, send, sendJson, startFake } from '../helpers/upstream.ts'

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

t.test('repositories come from all pages, each once, with a token for the catalog', async (t) => {
  const fake = await startFake(t, ({ url, headers }, response) => {
    if (url.startsWith('/token')) sendJson(response, { token: 'x' })
    else if (headers.authorization === undefined)
      send(response, 401, { 'www-authenticate': `Bearer realm="${fake.origin}/token",service="s"` })
    else if (url.includes('last=team%2Fapp')) sendJson(response, { repositories: ['team/app', 'zoo', 'UPPER', 3] })
    else
      sendJson(
        response,
        { repositories: ['base', 'team/app'] },
        { link: '<https://evil.test/v2/_catalog?last=team%2Fapp&n=2>; rel="next"' },
      )
  })
  const list = await openUpstream(t, [fake.origin]).listRepositories()
  t.same(list, { repositories: ['base', 'team/app', 'zoo'], complete: true })
  const asked = fake.seen.find(({ url }) => url.startsWith('/token'))?.url
  t.equal(asked, '/token?service=s&scope=registry%3Acatalog%3A*')
  t.equal(fake.seen.at(-1)?.url, '/v2/_catalog?last=team%2Fapp&n=2')
})

t.test('a catalog without end is cut at the caps, and one that runs in circles is told', async (t) => {
  let page = 0
  const fake = await startFake(t, (_, response) => {
    page += 1
    sendJson(response, { repositories: [`r${page}`] }, { link: `</v2/_catalog?last=r${page}>; rel="next"` })
  })
  const few = openUpstream(t, [fake.origin], { limits: { pages: 3 } })
  t.same(await few.listRepositories(), { repositories: ['r1', 'r2', 'r3'], complete: false })
  const small = openUpstream(t, [fake.origin], { limits: { repositories: 2 } })
  t.match(await small.listRepositories(), { repositories: { length: 2 }, complete: false })
  const round = await startFake(t, (_, response) =>
    sendJson(response, { repositories: ['a'] }, { link: '</v2/_catalog?n=1000>; rel="next"' }),
  )
  t.match(await catchUpstream(openUpstream(t, [round.origin]).listRepositories()), { kind: 'invalid' })
})

t.test('a registry that lists no repositories says what to do instead', async (t) => {
  for (const status of [401, 403, 404, 405]) {
    const fake = await startFake(t, (_, response) => send(response, status))
    const error = await catchUpstream(openUpstream(t, [fake.origin]).listRepositories())
    t.match(error, { status, message: /does not list its repositories/, hint: /one by one/ })
  }
})
