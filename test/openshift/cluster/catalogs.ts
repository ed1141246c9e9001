import t from 'tap'
import { parse } from 'yaml'
import { catalogName, handOutCatalogs } from '../../../src/openshift/cluster/catalogs.ts'
import { parseOpenShiftVersion } from '../../../src/openshift/cluster/version.ts'

const IMAGE = 'reg.example.com:5000/redhat/redhat-operator-index:v4.18'

t.test('a catalog has the objects of its version, under the names of oc-mirror', async (t) => {
  const make = (version: string) => handOutCatalogs([{ image: IMAGE }], parseOpenShiftVersion(version))
  const source = {
    apiVersion: 'operators.coreos.com/v1alpha1',
    kind: 'CatalogSource',
    metadata: { name: 'cs-redhat-operator-index-v4-18', namespace: 'openshift-marketplace' },
    spec: { sourceType: 'grpc', image: IMAGE },
  }
  const read = (version: string) => make(version).files.map(({ path, text }) => [path, parse(text) as unknown])
  for (const version of ['4.4', '4.12', '4.14']) {
    t.same(read(version), [['cs-redhat-operator-index-v4-18.yaml', source]], version)
  }
  t.same(read('4.19'), [
    ['cs-redhat-operator-index-v4-18.yaml', source],
    [
      'cc-redhat-operator-index-v4-18.yaml',
      {
        apiVersion: 'olm.operatorframework.io/v1',
        kind: 'ClusterCatalog',
        metadata: { name: 'cc-redhat-operator-index-v4-18' },
        spec: { source: { type: 'Image', image: { ref: IMAGE } } },
      },
    ],
  ])
  t.match(make('4.14').commands[0], 'disableAllDefaultSources')
})

t.test('the name comes from repository and tag, or from what a name can hold of a digest', async (t) => {
  t.equal(catalogName('reg.example.com/ns/My_index:v4.18_beta'.toLowerCase()), 'my-index-v4-18-beta')
  t.equal(catalogName(`reg.example.com/ns/index@sha256:${'a'.repeat(64)}`), 'index-sha256-aaaaa')
  t.throws(() => catalogName('reg.example.com/ns/index'), { name: 'Problem', exitCode: 2 })
})
