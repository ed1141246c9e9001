import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { parseSourceOption } from '../../../src/openshift/cluster/mirror-pairs.ts'
import { handOutMirrorSets } from '../../../src/openshift/cluster/mirror-set.ts'
import { parseRegistryName } from '../../../src/openshift/cluster/registry-name.ts'
import { parseOpenShiftVersion } from '../../../src/openshift/cluster/version.ts'

const REG = parseRegistryName('reg.example.com:5000')
const PAIRS = [
  'quay.io/openshift-release-dev/ocp-release=ocp4/openshift4',
  'quay.io/openshift-release-dev/ocp-v4.0-art-dev=ocp4/openshift4',
  'registry.redhat.io/redhat=registry.redhat.io/redhat',
].map((text) => parseSourceOption(text, REG))

function make(version: string, neverSource = false) {
  const options = { version: parseOpenShiftVersion(version), pairs: PAIRS, name: 'example', neverSource }
  const { files, commands, notes } = handOutMirrorSets(options)
  const [file] = files
  const objects = parseAllDocuments(file?.text ?? '').map((document) => document.toJS() as unknown)
  return { path: file?.path, objects, commands, notes: notes.join('\n') }
}

const RELEASE = ['reg.example.com:5000/ocp4/openshift4']
const ALL = [
  { mirrors: RELEASE, source: 'quay.io/openshift-release-dev/ocp-release' },
  { mirrors: RELEASE, source: 'quay.io/openshift-release-dev/ocp-v4.0-art-dev' },
  { mirrors: ['reg.example.com:5000/registry.redhat.io/redhat'], source: 'registry.redhat.io/redhat' },
]

t.test('4.4 and 4.12 get an ImageContentSourcePolicy, which mirrors by digest', async (t) => {
  for (const version of ['4.4', '4.12']) {
    const { path, objects, commands, notes } = make(version, true)
    t.equal(path, 'icsp.yaml')
    t.same(objects, [
      {
        apiVersion: 'operator.openshift.io/v1alpha1',
        kind: 'ImageContentSourcePolicy',
        metadata: { name: 'example' },
        spec: { repositoryDigestMirrors: ALL },
      },
    ])
    t.equal(commands[0], 'oc apply -f icsp.yaml')
    t.match(notes, 'by digest only')
    t.match(notes, '--never-source has no effect')
  }
})

t.test('4.14 and 4.19 get mirror sets: by digest for all, by tag for what keeps its tags', async (t) => {
  for (const version of ['4.14', '4.19']) {
    t.same(make(version).objects, [
      {
        apiVersion: 'config.openshift.io/v1',
        kind: 'ImageDigestMirrorSet',
        metadata: { name: 'example' },
        spec: { imageDigestMirrors: ALL },
      },
      {
        apiVersion: 'config.openshift.io/v1',
        kind: 'ImageTagMirrorSet',
        metadata: { name: 'example' },
        spec: { imageTagMirrors: ALL.slice(2) },
      },
    ])
  }
})

t.test('a cluster that must not ask the source is told so', async (t) => {
  t.match(make('4.14', true).objects, [
    { spec: { imageDigestMirrors: [{ mirrorSourcePolicy: 'NeverContactSource' }, {}, {}] } },
    { spec: { imageTagMirrors: [{ mirrorSourcePolicy: 'NeverContactSource' }] } },
  ])
})

t.test('several mirrors of one source stand in one entry, in their order', async (t) => {
  const pairs = ['quay.io/a=x/a', 'quay.io/a=y/a'].map((text) => parseSourceOption(text, REG))
  const { files } = handOutMirrorSets({ version: parseOpenShiftVersion('4.14'), pairs, name: 'n', neverSource: false })
  t.match(parseAllDocuments(files[0]?.text ?? '')[0]?.toJS(), {
    spec: { imageDigestMirrors: [{ source: 'quay.io/a', mirrors: [`${REG.name}/x/a`, `${REG.name}/y/a`] }] },
  })
})
