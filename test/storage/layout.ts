import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { createLayout } from '../../src/storage/layout.ts'
import type { UploadId } from '../../src/storage/upload-id.ts'

const layout = createLayout('/data')
const name = parseRepositoryName('team/app')
const tag = parseTag('v1.0')
const id = '6f2dd8a8-6f4a-4b3c-9a6a-0d3f3f0c1b2a' as UploadId
const SHORT = digestOf(Buffer.from('x'))
const LONG = digestOf(Buffer.from('x'), 'sha512')
const [shortHex, longHex] = [SHORT.slice(7), LONG.slice(7)]
const REPOSITORY = '/data/docker/registry/v2/repositories/team/app'

for (const [what, path, wanted] of [
  ['a blob', layout.blobData(SHORT), `/data/docker/registry/v2/blobs/sha256/${shortHex.slice(0, 2)}/${shortHex}/data`],
  [
    'a sha512 blob',
    layout.blobData(LONG),
    `/data/docker/registry/v2/blobs/sha512/${longHex.slice(0, 2)}/${longHex}/data`,
  ],
  ['a layer link', layout.layerLink(name, SHORT), `${REPOSITORY}/_layers/sha256/${shortHex}/link`],
  ['a sha512 layer link', layout.layerLink(name, LONG), `${REPOSITORY}/_layers/sha512/${longHex}/link`],
  ['a revision', layout.revisionLink(name, SHORT), `${REPOSITORY}/_manifests/revisions/sha256/${shortHex}/link`],
  ['a tag', layout.tagLink(name, tag), `${REPOSITORY}/_manifests/tags/v1.0/current/link`],
  [
    'the history of a tag',
    layout.tagIndexLink(name, tag, SHORT),
    `${REPOSITORY}/_manifests/tags/v1.0/index/sha256/${shortHex}/link`,
  ],
  ['the bytes of an upload', layout.uploadData(name, id), `${REPOSITORY}/_uploads/${id}/data`],
  ['the beginning of an upload', layout.uploadStartedAt(name, id), `${REPOSITORY}/_uploads/${id}/startedat`],
] as const) {
  t.test(`${what} lies where distribution has it`, async (t) => {
    t.equal(path, wanted)
  })
}

t.test('what Tarn adds lies under .tarn, and nothing of it under repositories', async (t) => {
  const own = [layout.cache, layout.tmp, layout.lock(7), layout.keeper, layout.quarantine, layout.quarantined(SHORT, 5)]
  for (const path of own) t.match(path, /^\/data\/\.tarn\//)
  t.equal(layout.quarantined(SHORT, 5), `/data/.tarn/quarantine/sha256-${shortHex}.5`)
  t.equal(layout.lock(7), '/data/.tarn/lock-7')
})
