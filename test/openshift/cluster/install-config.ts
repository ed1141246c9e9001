import t from 'tap'
import { parse } from 'yaml'
import { handOutInstallConfig } from '../../../src/openshift/cluster/install-config.ts'
import { parseSourceOption } from '../../../src/openshift/cluster/mirror-pairs.ts'
import { parseRegistryName } from '../../../src/openshift/cluster/registry-name.ts'
import { parseOpenShiftVersion } from '../../../src/openshift/cluster/version.ts'
import { makeTestAuthority } from '../../helpers/authority.ts'

const REG = parseRegistryName('reg.example.com:5000')
const TRUST = makeTestAuthority().certificate
const PULL_SECRET = '{"auths":{"reg.example.com:5000":{"auth":"ZGF2aWQ6ZGF2aWQ=","email":"x@example.com"}}}'
const PAIRS = ['ocp-release', 'ocp-v4.0-art-dev'].map((name) =>
  parseSourceOption(`quay.io/openshift-release-dev/${name}=ocp4/openshift4`, REG),
)
const SOURCES = ['ocp-release', 'ocp-v4.0-art-dev'].map((name) => ({
  mirrors: ['reg.example.com:5000/ocp4/openshift4'],
  source: `quay.io/openshift-release-dev/${name}`,
}))

function make(version: string) {
  const options = { version: parseOpenShiftVersion(version), pairs: PAIRS, trust: TRUST, pullSecret: PULL_SECRET }
  const { files, commands, notes } = handOutInstallConfig({
    ...options,
    releaseImage: `${REG.name}/ocp4/openshift4:4.4.10`,
  })
  return { file: files[0], value: parse(files[0]?.text ?? '') as unknown, commands, notes: notes.join('\n') }
}

t.test('4.4 has neither the new key of sources nor the policy of the bundle', async (t) => {
  t.same(make('4.4').value, { pullSecret: PULL_SECRET, additionalTrustBundle: TRUST, imageContentSources: SOURCES })
})

t.test('4.12 has the policy, 4.14 and 4.19 the new key as well', async (t) => {
  const common = { pullSecret: PULL_SECRET, additionalTrustBundle: TRUST, additionalTrustBundlePolicy: 'Always' }
  t.same(make('4.12').value, { ...common, imageContentSources: SOURCES })
  t.same(make('4.14').value, { ...common, imageDigestSources: SOURCES })
  t.same(make('4.19').value, { ...common, imageDigestSources: SOURCES })
})

t.test('the installer is taken from the release that lies here, and the file is secret', async (t) => {
  const { file, commands, notes } = make('4.4')
  t.equal(file?.secret, true)
  t.equal(commands[0], 'oc adm release extract --command=openshift-install reg.example.com:5000/ocp4/openshift4:4.4.10')
  t.notMatch(notes, 'ZGF2aWQ')
})

t.test('without a certificate and a login their keys are left out', async (t) => {
  const { files } = handOutInstallConfig({ version: parseOpenShiftVersion('4.14'), pairs: PAIRS })
  t.same(parse(files[0]?.text ?? ''), { imageDigestSources: SOURCES })
  t.equal(files[0]?.secret, false)
})
