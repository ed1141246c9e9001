import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { openClient } from '../helpers/client.ts'
import { imageOf, partOf, plantManifest } from '../helpers/plant.ts'
import { makeStore } from '../helpers/store.ts'
import { startTarn } from '../helpers/server.ts'

const MIB = 1024 * 1024
const NAME = parseRepositoryName('team/a')
const CONFIG = partOf(Buffer.from('{}'))
const SUBJECT = imageOf(CONFIG)
const OF = { ...partOf(SUBJECT), mediaType: 'application/vnd.oci.image.manifest.v1+json' }
const LIST = `/v2/${NAME}/referrers/${OF.digest}`

interface Descriptor {
  readonly digest: string
  readonly mediaType: string
  readonly size: number
  readonly artifactType?: string
  readonly annotations?: Record<string, string>
}

/** A server over what a tar has just brought, and a reader of its lists. */
async function serve(t: Test) {
  const { url, data } = await startTarn(t)
  const side = join(t.testdir({}), 'side')
  mkdirSync(side)
  const store = { ...makeStore(side), layout: makeStore(data).layout }
  const client = openClient({ url })
  t.teardown(() => client.close())
  const get = async (path: string) => {
    const { status, headers, body } = await client.send('GET', path)
    const { manifests } = JSON.parse(body.toString()) as { manifests: Descriptor[] }
    const next = /^<([^>]+)>; rel="next"$/.exec(String(headers['link'] ?? ''))?.[1]
    return { status, headers, manifests, next, bytes: body.length }
  }
  /** All pages, by following the Links. */
  const getAll = async (path: string) => {
    const pages = [await get(path)]
    for (let next = pages[0]?.next; next !== undefined; next = pages.at(-1)?.next) pages.push(await get(next))
    return { pages, digests: pages.flatMap(({ manifests }) => manifests.map(({ digest }) => digest)) }
  }
  return { get, getAll, plant: (bytes: Buffer) => plantManifest(store, NAME, bytes) }
}

t.test('referrers are an OCI index, empty for what nobody refers to', async (t) => {
  const { get, plant } = await serve(t)
  const { status, headers, manifests } = await get(LIST)
  t.same([status, headers['content-type'], manifests], [200, 'application/vnd.oci.image.index.v1+json', []])
  const bytes = imageOf(CONFIG, [], { subject: OF, artifactType: 'x/y', annotations: { note: 'Grüße' } })
  const digest = plant(bytes)
  t.same((await get(LIST)).manifests, [
    { mediaType: OF.mediaType, digest, size: bytes.length, artifactType: 'x/y', annotations: { note: 'Grüße' } },
  ])
})

t.test('a filter by artifactType says that it was applied; a config’s type counts where there is none', async (t) => {
  const { get, plant } = await serve(t)
  const sbom = plant(imageOf(CONFIG, [], { subject: OF, artifactType: 'application/vnd.sbom+json' }))
  const plain = plant(imageOf({ ...CONFIG, mediaType: 'application/vnd.other' }, [], { subject: OF }))
  const only = async (type: string) => {
    const { headers, manifests } = await get(`${LIST}?artifactType=${type}`)
    t.equal(headers['oci-filters-applied'], 'artifactType')
    return manifests.map(({ digest }) => digest)
  }
  t.same(await only('application/vnd.sbom+json'), [sbom], 'a plus is a plus')
  t.same(await only('application%2Fvnd.sbom%2Bjson'), [sbom])
  t.same(await only('application/vnd.other'), [plain])
  t.same(await only('nothing'), [])
  t.equal((await get(LIST)).headers['oci-filters-applied'], undefined)
})

for (const [what, fill] of [
  ['of ASCII', 'x'],
  ['of three bytes a letter', '\u6c60'],
] as const) {
  t.test(
    `a long list ${what} comes in pages that a client with 4 MiB of room can read, each referrer once`,
    async (t) => {
      const { getAll, plant } = await serve(t)
      const planted: string[] = []
      const note = fill.repeat(Math.floor(MIB / Buffer.byteLength(fill)))
      for (let i = 0; i < 9; i += 1) {
        const artifactType = i % 3 === 0 ? 'a/b' : 'c/d'
        planted.push(plant(imageOf(CONFIG, [], { subject: OF, artifactType, annotations: { i: `${i}`, note } })))
      }
      const { pages, digests } = await getAll(LIST)
      t.equal(pages.length, 3)
      for (const { bytes } of pages) t.ok(bytes <= 4 * MIB, `${bytes} bytes`)
      t.same(digests, planted.toSorted())
      const filtered = await getAll(`${LIST}?artifactType=c/d`)
      t.equal(filtered.pages.length, 2)
      t.equal(filtered.digests.length, 6)
      for (const { headers } of filtered.pages) t.equal(headers['oci-filters-applied'], 'artifactType')
    },
  )
}

t.test('a single referrer that is larger than a page is a page', async (t) => {
  const { getAll, plant } = await serve(t)
  const planted = [1, 2].map((i) =>
    plant(imageOf(CONFIG, [], { subject: OF, annotations: { i: `${i}`, note: 'x'.repeat(5 * MIB) } })),
  )
  t.same((await getAll(LIST)).digests, planted.toSorted())
})
