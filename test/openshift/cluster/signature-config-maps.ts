import t from 'tap'
import { digestOf } from '../../../src/oci/digest.ts'
import { handOutSignatures } from '../../../src/openshift/cluster/signature-config-maps.ts'

const RELEASE = digestOf(Buffer.from('release'))
const HEX = RELEASE.slice(7)

t.test('the ConfigMap is the one that oc writes, byte for byte', async (t) => {
  const signatures = [
    { number: 1, bytes: Buffer.from('one') },
    { number: 2, bytes: Buffer.from([0, 255]) },
  ]
  const { files, commands } = handOutSignatures([{ digest: RELEASE, signatures }])
  t.same(files, [
    {
      path: `signature-sha256-${HEX.slice(0, 16)}.json`,
      text: `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"sha256-${HEX}","namespace":"openshift-config-managed","creationTimestamp":null,"labels":{"release.openshift.io/verification-signatures":""}},"binaryData":{"sha256-${HEX}-1":"b25l","sha256-${HEX}-2":"AP8="}}\n`,
    },
  ])
  t.same(commands, [`oc apply -f signature-sha256-${HEX.slice(0, 16)}.json`])
})
