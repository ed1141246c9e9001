import t from 'tap'
import { listEntries } from '../../src/bundle/entries.ts'
import { hexOf } from '../../src/oci/digest.ts'
import { digestFor, makeIndex } from '../helpers/bundle-facts.ts'

const index = makeIndex()
const V2 = 'data/docker/registry/v2'
const hex = (text: string): string => hexOf(digestFor(text))
const blobAt = (text: string, file: string): string =>
  `${V2}/blobs/sha256/${hex(text).slice(0, 2)}/${hex(text)}/${file}`

const namesOf = (part: number, signature?: number): string[] =>
  [...listEntries(index, part, { index: 100, signature })].map(({ name }) => name)

t.test('a part begins with the index, the signature and its number, and holds its own blobs', async (t) => {
  t.same(namesOf(1, 300), [
    `data/.tarn/state/bundles/${index.id}.json`,
    `data/.tarn/state/bundles/${index.id}.json.sig`,
    `data/.tarn/state/bundles/${index.id}.part-0001-of-0003`,
    blobAt('manifest', 'data'),
    blobAt('config', 'data'),
  ])
})

t.test('a blob that is cut lies in slices beside its place', async (t) => {
  t.same(namesOf(2), [
    `data/.tarn/state/bundles/${index.id}.json`,
    `data/.tarn/state/bundles/${index.id}.part-0002-of-0003`,
    blobAt('large layer', 'slice-0001-of-0002'),
  ])
})

t.test(
  'the last part holds all links: layers and revisions, then tags, and directories that would be empty',
  async (t) => {
    const repositories = `${V2}/repositories`
    t.same(namesOf(3).slice(2), [
      blobAt('large layer', 'slice-0002-of-0002'),
      blobAt('index', 'data'),
      `data/.tarn/state/signatures/sha256=${hex('manifest')}/signature-1`,
      `${repositories}/artifacts/_layers/`,
      `${repositories}/artifacts/_manifests/revisions/sha256/${hex('index')}/link`,
      `${repositories}/artifacts/_manifests/tags/`,
      `${repositories}/team/app/_layers/sha256/${hex('config')}/link`,
      `${repositories}/team/app/_layers/sha256/${hex('large layer')}/link`,
      `${repositories}/team/app/_layers/sha256/${hex('needed')}/link`,
      `${repositories}/team/app/_manifests/revisions/sha256/${hex('manifest')}/link`,
      `${repositories}/team/app/_manifests/tags/v1/index/sha256/${hex('manifest')}/link`,
      `${repositories}/team/app/_manifests/tags/v1/current/link`,
      `${repositories}/team/app/_manifests/tags/v2/index/sha256/${hex('manifest')}/link`,
      `${repositories}/team/app/_manifests/tags/v2/current/link`,
    ])
  },
)
