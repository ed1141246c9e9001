import t from 'tap'
import type { Test } from 'tap'
import type { CopyReport } from '../../src/exchange/copied-image.ts'
import { copyImages } from '../../src/exchange/copy-images.ts'
import { registrySource } from '../../src/exchange/registry-source.ts'
import { registryTarget } from '../../src/exchange/registry-target.ts'
import { storeSource } from '../../src/exchange/store-source.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { subjectTagOf } from '../../src/oci/subject-tag.ts'
import { PushClient } from '../../src/upstream/push-client.ts'
import { UpstreamClient } from '../../src/upstream/client.ts'
import { APP, openRegistry, push, pushFull, pushImage } from '../helpers/images.ts'
import { startUpstream } from '../helpers/mirror.ts'
import { indexOf, partOf } from '../helpers/plant.ts'
import { makeDirectory } from '../helpers/server.ts'

/** A registry with images, and another one, which may lack the referrers API as registry:2 does. */
async function setScene(t: Test, { isOld }: { readonly isOld: boolean }) {
  const here = openRegistry(makeDirectory(t))
  const { client, gateway } = await startUpstream(t)
  if (isOld) {
    gateway.hides = ['oci-subject']
    gateway.hook = ({ url }, response) => {
      if (!url.includes('/referrers/')) return undefined
      response.writeHead(404).end('404 page not found')
      return true
    }
  }
  return {
    here,
    gateway,
    list: async (tag: string): Promise<{ manifests: { digest: string; artifactType?: string }[] } | undefined> => {
      const { status, body } = await client.send('GET', `/v2/${APP}/manifests/${tag}`, { headers: { accept: '*/*' } })
      return status === 200 ? (JSON.parse(body.toString()) as never) : undefined
    },
    copy: async (tag: string, dryRun = false): Promise<CopyReport> => {
      const options = { host: 'far', urls: [gateway.origin], url: gateway.origin, insecure: true, clock: Date.now }
      const target = registryTarget({
        client: new PushClient(options),
        reader: registrySource({ client: new UpstreamClient(options) }),
      })
      const reference = { kind: 'tag', tag: tag as Tag } as const
      try {
        return await copyImages({
          source: storeSource(here, 'here'),
          target,
          images: [{ from: { repository: APP, reference }, to: { repository: APP, tags: [tag as Tag] } }],
          dryRun,
        })
      } finally {
        await target.close()
      }
    },
  }
}

t.test('a registry without the referrers API gets the list of what refers to an image, once', async (t) => {
  const { here, gateway, list, copy } = await setScene(t, { isOld: true })
  const { digest, referrer } = await pushFull(here, APP, 'v1')
  t.match((await copy('v1', true)).counts, { copied: 1 })
  t.equal(await list(subjectTagOf(digest)), undefined, 'a dry run writes none')
  t.match((await copy('v1')).counts, { copied: 1 })
  t.match(await list(subjectTagOf(digest)), {
    manifests: [{ digest: digestOf(referrer), size: referrer.length, artifactType: /config/ }],
  })
  gateway.seen.length = 0
  t.match((await copy('v1')).counts, { here: 1 })
  t.equal(gateway.count('PUT'), 0)
})

t.test('what others wrote into the list stays in it', async (t) => {
  const { here, list, copy } = await setScene(t, { isOld: true })
  const { digest, index, referrer } = await pushFull(here, APP, 'v1')
  await copy('v1')
  const more = await pushImage(here, APP, ['another sbom'], { subject: index })
  t.match((await copy('v1')).counts, { copied: 1 }, 'what was missing came')
  const digests = (await list(subjectTagOf(digest)))?.manifests.map((each) => each.digest)
  t.same(digests?.toSorted(), [digestOf(referrer), digestOf(more)].toSorted())
})

t.test('a list that the source itself has under the tag is joined with the one that is there', async (t) => {
  const { here, list, copy } = await setScene(t, { isOld: true })
  const { digest, referrer } = await pushFull(here, APP, 'v1')
  await copy('v1')
  // As a registry without the API has it; what it lists need not say what it is about.
  const plain = await pushImage(here, APP, ['a statement of old'])
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  await push(here, APP, indexOf([{ mediaType, ...partOf(plain) }] as never), subjectTagOf(digest))
  t.match((await copy('v1')).counts, { copied: 1 })
  const digests = (await list(subjectTagOf(digest)))?.manifests.map((each) => each.digest)
  t.same(digests?.toSorted(), [digestOf(referrer), digestOf(plain)].toSorted())
  t.match((await copy('v1')).counts, { here: 1 }, 'and then nothing is to be done')
})

t.test('a tag that is no list is left alone, and the image is told to be incomplete', async (t) => {
  const { here, list, copy } = await setScene(t, { isOld: true })
  const { digest } = await pushFull(here, APP, 'v1')
  const tag = subjectTagOf(digest)
  await pushImage(here, APP, ['an image that goes by that name'], { tag })
  await copy(tag)
  const before = await list(tag)
  await push(here, APP, indexOf([]), 'other')
  const report = await copy('v1')
  t.match(report.images, [{ state: 'incomplete', why: /no list of what refers/ }])
  t.same(await list(tag), before)
})

t.test('a registry with the referrers API needs no list', async (t) => {
  const { here, list, copy } = await setScene(t, { isOld: false })
  const { digest } = await pushFull(here, APP, 'v1')
  t.match((await copy('v1')).counts, { copied: 1 })
  t.equal(await list(subjectTagOf(digest)), undefined)
})
