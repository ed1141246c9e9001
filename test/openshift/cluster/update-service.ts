import t from 'tap'
import { parse } from 'yaml'
import { handOutUpdateService } from '../../../src/openshift/cluster/update-service.ts'

t.test('the object names releases and graph, and the cluster is pointed at it', async (t) => {
  const { files, commands, notes } = handOutUpdateService({
    name: 'update-service-tarn',
    releases: 'reg.example.com:5000/openshift/release-images',
    graphImage: 'reg.example.com:5000/openshift/graph-image:latest',
    crowded: true,
  })
  t.same(parse(files[0]?.text ?? ''), {
    apiVersion: 'updateservice.operator.openshift.io/v1',
    kind: 'UpdateService',
    metadata: { name: 'update-service-tarn', namespace: 'openshift-update-service' },
    spec: {
      replicas: 2,
      releases: 'reg.example.com:5000/openshift/release-images',
      graphDataImage: 'reg.example.com:5000/openshift/graph-image:latest',
    },
  })
  t.match(commands[1], /^oc patch clusterversion version .*policyEngineURI/)
  t.match(notes.join('\n'), 'updateservice-registry')
  t.match(notes.join('\n'), 'every tag')
})
