import t from 'tap'
import {
  formatVersion,
  hasClusterCatalog,
  hasMirrorSets,
  hasTrustBundlePolicy,
  parseOpenShiftVersion,
  sourcesKey,
} from '../../../src/openshift/cluster/version.ts'

t.test('what a cluster is given changes with its version', async (t) => {
  const of = (text: string): unknown[] => {
    const version = parseOpenShiftVersion(text)
    return [hasMirrorSets(version), sourcesKey(version), hasTrustBundlePolicy(version), hasClusterCatalog(version)]
  }
  t.same(of('4.4'), [false, 'imageContentSources', false, false])
  t.same(of('4.4.10'), of('4.4'))
  t.same(of('4.11'), of('4.4'))
  t.same(of('4.12'), [false, 'imageContentSources', true, false])
  t.same(of('4.13'), [true, 'imageContentSources', true, false])
  t.same(of('4.14'), [true, 'imageDigestSources', true, false])
  t.same(of('v4.14.0-rc.1'), of('4.14'))
  t.same(of('4.18'), [true, 'imageDigestSources', true, true])
  t.same(of('4.19'), of('4.18'))
  t.same(of('5.0'), of('4.19'))
  t.equal(formatVersion(parseOpenShiftVersion('v4.9.3')), '4.9')
})

t.test('what is no version of OpenShift that can be mirrored is refused', async (t) => {
  for (const text of ['', '4', 'latest', '4.x', '3.11', '4.1', '4.14 ', '44.14.4.4']) {
    t.throws(() => parseOpenShiftVersion(text), { name: 'Problem', exitCode: 2 }, text)
  }
})
