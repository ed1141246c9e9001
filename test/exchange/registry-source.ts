import t from 'tap'
import { registrySource } from '../../src/exchange/registry-source.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { hashOf } from '../helpers/digest.ts'
import { openUpstream, send, sendJson, startFake } from '../helpers/upstream.ts'

const NAME = parseRepositoryName('openshift-release-dev/ocp-v4.0-art-dev')
const signatureOf = (text: string) => ({
  kind: 'tag' as const,
  tag: parseTag(`${hashOf(text).replace(':', '-')}.sig`),
})

t.test('of tags about images only those are asked for that a list of all tags has', async (t) => {
  const { tag } = signatureOf('one')
  const fake = await startFake(t, ({ url }, response) =>
    url.includes('/tags/list') ? sendJson(response, { name: NAME, tags: [tag] }) : send(response, 404),
  )
  const source = registrySource({ client: openUpstream(t, [fake.origin]) })
  for (const text of ['one', 'two', 'three']) t.equal(await source.readManifest(NAME, signatureOf(text)), undefined)
  t.same(
    fake.seen.map(({ url }) => url),
    [`/v2/${NAME}/tags/list?n=1000`, `/v2/${NAME}/manifests/${tag}`],
  )
})

t.test('a list that does not end is left after some pages, and each tag is asked for', async (t) => {
  let page = 0
  const fake = await startFake(t, ({ url }, response) => {
    if (!url.includes('/tags/list')) return send(response, 404)
    page += 1
    return sendJson(
      response,
      { name: NAME, tags: [`tag-${page}`] },
      { link: `</v2/${NAME}/tags/list?n=50&last=tag-${page}>; rel="next"` },
    )
  })
  const source = registrySource({ client: openUpstream(t, [fake.origin]) })
  await Promise.all(['one', 'two'].map((text) => source.readManifest(NAME, signatureOf(text))))
  t.equal(page, 10)
  t.same(
    fake.seen.flatMap(({ url }) => (url.includes('/manifests/') ? [url] : [])).toSorted(),
    ['one', 'two'].map((text) => `/v2/${NAME}/manifests/${signatureOf(text).tag}`).toSorted(),
  )
})
