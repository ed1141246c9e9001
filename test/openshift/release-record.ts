import t from 'tap'
import { digestOf, parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { parseRecord, readRecord, recordPath, writeRecord } from '../../src/openshift/release-record.ts'
import type { ReleaseRecord } from '../../src/openshift/release-record.ts'
import { openRegistry } from '../helpers/images.ts'
import { plantFile } from '../helpers/plant.ts'

const [RELEASE, ETCD, SBOM] = ['release', 'etcd', 'sbom'].map((text) => digestOf(Buffer.from(text))) as [
  ReturnType<typeof parseDigest>,
  ReturnType<typeof parseDigest>,
  ReturnType<typeof parseDigest>,
]
const REPOSITORY = parseRepositoryName('ocp4/openshift4')
const SIGNATURE = parseTag(`${ETCD.replace(':', '-')}.sig`)
const tagged = { repository: REPOSITORY, subject: ETCD, tag: SIGNATURE, digest: digestOf(Buffer.from('signature')) }
const untagged = { repository: REPOSITORY, subject: ETCD, tag: undefined, digest: SBOM }
const RECORD: ReleaseRecord = {
  places: [{ image: REPOSITORY, components: REPOSITORY }],
  referrers: [tagged, untagged],
}

t.test('what is written down is read again, and more of it is added', async (t) => {
  const { store } = openRegistry(t.testdir({ data: {} }))
  t.equal(readRecord(store.layout, RELEASE), undefined)
  await writeRecord(store, RELEASE, RECORD)
  t.same(readRecord(store.layout, RELEASE), RECORD)
  t.equal(store.layout.releaseRecord(RELEASE), `${store.layout.root}/${recordPath(RELEASE)}`)

  const again = { ...tagged, digest: digestOf(Buffer.from('signed once more')) }
  const other = { ...untagged, repository: parseRepositoryName('ocp4/other') }
  const places = [{ image: other.repository, components: other.repository }]
  await writeRecord(store, RELEASE, { places, referrers: [again, other] })
  t.same(readRecord(store.layout, RELEASE), {
    places: [...RECORD.places, ...places],
    referrers: [again, untagged, other],
  })
  t.equal(readRecord(store.layout, ETCD), undefined, 'of another release it says nothing')
})

t.test('a file that is none says nothing, and of one that is spoiled what can be read counts', async (t) => {
  const { store } = openRegistry(t.testdir({ data: {} }))
  const head = { format: 'tarn-release/1', digest: RELEASE }
  for (const text of [
    '',
    '[]',
    'null',
    '{',
    JSON.stringify({ ...head, digest: ETCD }),
    '{"format": "tarn-release/2"}',
  ]) {
    t.equal(parseRecord(Buffer.from(text), RELEASE), undefined, text)
    plantFile(store.layout.releaseRecord(RELEASE), text)
    t.equal(readRecord(store.layout, RELEASE), undefined, text)
  }
  const spoiled = {
    ...head,
    places: [1, { image: '../x', components: REPOSITORY }, RECORD.places[0]],
    referrers: [null, { ...tagged, tag: '../x' }, { ...tagged, digest: 'x' }, { ...tagged, subject: 1 }, tagged],
  }
  t.same(parseRecord(Buffer.from(JSON.stringify(spoiled)), RELEASE), { ...RECORD, referrers: [tagged] })
  await writeRecord(store, RELEASE, RECORD)
  t.same(readRecord(store.layout, RELEASE), RECORD, 'a spoiled one is written anew')
})
