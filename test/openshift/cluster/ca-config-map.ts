import t from 'tap'
import { parse } from 'yaml'
import { handOutCa, isSameTrust, mergeCa } from '../../../src/openshift/cluster/ca-config-map.ts'
import { parseRegistryName } from '../../../src/openshift/cluster/registry-name.ts'
import { makeTestAuthority } from '../../helpers/authority.ts'

const REG = parseRegistryName('reg.example.com:5000')
const [NEW, OLD, OTHER] = ['new', 'old', 'other'].map((name) => makeTestAuthority(name).certificate) as [
  string,
  string,
  string,
]
const BASE = { registry: REG, trust: NEW, name: 'registry-cas', updateService: false }

t.test('a first ConfigMap has the key of this registry, in the namespace that the API demands', async (t) => {
  const { files, commands } = handOutCa(BASE)
  t.same(parse(files[0]?.text ?? ''), {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'registry-cas', namespace: 'openshift-config' },
    data: { 'reg.example.com..5000': NEW },
  })
  t.same(commands, [
    'oc apply -f registry-cas.yaml',
    `oc patch image.config.openshift.io/cluster --type=merge -p '{"spec":{"additionalTrustedCA":{"name":"registry-cas"}}}'`,
  ])
})

t.test('the one that the cluster has keeps its name and all its other keys', async (t) => {
  const existing = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: 'davidwei-crt',
      namespace: 'openshift-config',
      uid: 'abc',
      resourceVersion: '123',
      creationTimestamp: '2026-01-01T00:00:00Z',
      managedFields: [],
      labels: { team: 'x' },
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', why: 'because' },
    },
    data: { 'quay.example.com..8443': OTHER, 'reg.example.com..5000': OLD },
  }
  const { configMap, name, changes, kept } = mergeCa({ ...BASE, existing })
  t.same(configMap, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: 'davidwei-crt',
      namespace: 'openshift-config',
      labels: { team: 'x' },
      annotations: { why: 'because' },
    },
    data: { 'quay.example.com..8443': OTHER, 'reg.example.com..5000': NEW },
  })
  t.equal(name, 'davidwei-crt')
  t.same(changes, [{ key: 'reg.example.com..5000', before: OLD, after: NEW }])
  t.same(kept, ['quay.example.com..8443'])
  const { commands, notes } = handOutCa({ ...BASE, existing })
  t.match(commands[1], '"name":"davidwei-crt"')
  t.match(notes.join('\n'), 'reg.example.com..5000 had another certificate, which this one replaces')
})

t.test('the update service’s key is added when asked for, and kept in step when it is there', async (t) => {
  t.match(mergeCa({ ...BASE, updateService: true }).configMap, { data: { 'updateservice-registry': NEW } })
  const existing = { kind: 'ConfigMap', metadata: { name: 'x' }, data: { 'updateservice-registry': OLD } }
  t.match(mergeCa({ ...BASE, existing }).configMap, { data: { 'updateservice-registry': NEW } })
})

t.test('the update service’s key stays where it is another registry’s, or several registries’', async (t) => {
  const make = (data: Record<string, string>, updateService = false) =>
    mergeCa({ ...BASE, updateService, existing: { kind: 'ConfigMap', metadata: { name: 'x' }, data } })
  const [ours, other, key] = ['reg.example.com..5000', 'quay.example.com', 'updateservice-registry']
  t.match(make({ [ours]: OLD, [other]: OTHER, [key]: OLD }).configMap, { data: { [ours]: NEW, [key]: NEW } })
  for (const data of [
    { [ours]: OLD, [other]: OTHER, [key]: OTHER },
    { [other]: OTHER, [key]: OTHER },
    { [ours]: OLD, [other]: OTHER, [key]: OLD + OTHER },
  ]) {
    const { configMap, kept } = make(data)
    t.match(configMap, { data: { ...data, [ours]: NEW } })
    t.ok(kept.includes(key))
    t.match(make(data, true).configMap, { data: { [key]: NEW } }, 'unless it is asked for')
  }
})

t.test('what is no ConfigMap is refused', async (t) => {
  t.throws(() => mergeCa({ ...BASE, existing: { kind: 'Secret' } }), { name: 'Problem' })
})

t.test('two texts are the same trust when they hold the same certificates', async (t) => {
  t.equal(isSameTrust(`# a comment\n${NEW}\n\n`, NEW), true)
  t.equal(isSameTrust(OLD, NEW), false)
  t.equal(isSameTrust(OLD + NEW, NEW), false)
  t.equal(isSameTrust(undefined, NEW), false)
})
