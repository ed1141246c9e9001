import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { digestOf } from '../../../src/oci/digest.ts'
import { createLayout } from '../../../src/storage/layout.ts'
import { makeClusterHome, PASSWORD } from '../../helpers/cluster-home.ts'
import { runCommand } from '../../helpers/command.ts'
import { fakeOc } from '../../helpers/fake-oc.ts'
import { plantFile } from '../../helpers/plant.ts'
import { makeTestAuthority } from '../../helpers/authority.ts'

const RELEASE = digestOf(Buffer.from('release'))
const AUTH = Buffer.from(`david:${PASSWORD}`).toString('base64')

/** Tags as links in the layout; what they lead to is asked by none of these commands. */
function plantTags(data: string, repository: string, tags: readonly string[], digest = RELEASE): void {
  for (const tag of tags) {
    plantFile(`${createLayout(data).repositories}/${repository}/_manifests/tags/${tag}/current/link`, digest)
  }
}

/** A release as oc mirrors it, and an image that the mirror brought. */
function plantMirrored(data: string): void {
  plantTags(data, 'ocp4/openshift4', ['4.4.10-x86_64', '4.4.10-x86_64-cluster-version-operator', '4.4.10-x86_64-etcd'])
  plantTags(data, 'quay.io/podman/hello', ['latest'])
  plantTags(data, 'team/app', ['1.2.3', '1.2.3-alpine'])
}

t.test('mirror-set says what lies here, by the registry’s own name', async (t) => {
  const { config, data } = await makeClusterHome(t.testdir({}))
  plantMirrored(data)
  const { code, stdout, stderr } = await runCommand(['cluster', 'mirror-set', '--for', '4.14', '--config', config])
  t.equal(code, 0, stderr)
  const [digests, tags] = parseAllDocuments(stdout).map((document) => document.toJS() as unknown)
  t.match(digests, {
    kind: 'ImageDigestMirrorSet',
    spec: {
      imageDigestMirrors: [
        { source: 'quay.io/openshift-release-dev/ocp-release', mirrors: ['reg.example.com:5000/ocp4/openshift4'] },
        { source: 'quay.io/openshift-release-dev/ocp-v4.0-art-dev', mirrors: ['reg.example.com:5000/ocp4/openshift4'] },
        { source: 'quay.io/podman', mirrors: ['reg.example.com:5000/quay.io/podman'] },
      ],
    },
  })
  t.match(tags, { kind: 'ImageTagMirrorSet', spec: { imageTagMirrors: [{ source: 'quay.io/podman' }] } })
  t.match(stdout, '# apply it:\n#   oc apply -f mirror-set.yaml')
  const old = await runCommand(['cluster', 'mirror-set', 'other.example.com', '--for', '4.12', '--config', config])
  t.match(old.stdout, 'source: quay.io/podman/hello', 'the old object takes repositories')
  t.match(old.stdout, 'other.example.com/ocp4/openshift4')
})

t.test('releases of oc-mirror lie in two repositories', async (t) => {
  const { config, data } = await makeClusterHome(t.testdir({}))
  plantTags(data, 'openshift/release-images', ['4.18.3-x86_64'])
  plantTags(data, 'openshift/release', ['4.18.3-x86_64-cluster-version-operator'])
  const { stdout } = await runCommand(['cluster', 'mirror-set', '--for', '4.18', '--config', config])
  t.match(parse(stdout), {
    spec: {
      imageDigestMirrors: [
        { source: /ocp-release$/, mirrors: ['reg.example.com:5000/openshift/release-images'] },
        { source: /ocp-v4.0-art-dev$/, mirrors: ['reg.example.com:5000/openshift/release'] },
      ],
    },
  })
})

t.test('where nothing lies here, or nobody said the version, the command says how to go on', async (t) => {
  const { config } = await makeClusterHome(t.testdir({}))
  t.match(await runCommand(['cluster', 'mirror-set', '--for', '4.14', '--config', config]), {
    code: 2,
    stderr: /nothing is known to lie here.*\nhint: say it: --source/,
  })
  t.match(await runCommand(['cluster', 'mirror-set', '--config', config]), { code: 2, stderr: /--for/ })
  t.match(await runCommand(['cluster', 'mirror-set', '--for', '3.11', '--config', config]), { code: 2 })
})

t.test('install-config has sources of releases, the certificate and the pull secret', async (t) => {
  const { config, data, ca, directory } = await makeClusterHome(t.testdir({}))
  plantMirrored(data)
  const redhat = join(directory, 'redhat.json')
  writeFileSync(redhat, '{"auths": {"quay.io": {"auth": "eDp5"}}}')
  const args = ['cluster', 'install-config', '--for', '4.4', '--config', config, '--user', 'david', '--password-stdin']
  const { code, stdout, stderr } = await runCommand([...args, '--pull-secret', redhat], { input: `${PASSWORD}\n` })
  t.equal(code, 0, stderr)
  const value = parse(stdout) as Record<string, string>
  t.same(Object.keys(value), ['pullSecret', 'additionalTrustBundle', 'imageContentSources'])
  t.equal(value['additionalTrustBundle'], readFileSync(ca, 'utf8'))
  t.same(JSON.parse(value['pullSecret'] ?? ''), {
    auths: { 'quay.io': { auth: 'eDp5' }, 'reg.example.com:5000': { auth: AUTH } },
  })
  t.notMatch(stdout, 'quay.io/podman', 'the installer needs no other images')
  t.match(stdout, 'openshift-install reg.example.com:5000/ocp4/openshift4:4.4.10-x86_64')
  t.notMatch(stderr, AUTH)
})

t.test('install-config takes what --source says, however it is written', async (t) => {
  const { config } = await makeClusterHome(t.testdir({}))
  for (const source of ['quay.io/org/app', 'quay.io/org/app/', 'quay.io/org/app=quay.io/org/app']) {
    const args = ['cluster', 'install-config', '--for', '4.14', '--no-derive', '--source', source, '--config', config]
    const { code, stdout, stderr } = await runCommand(args)
    t.equal(code, 0, stderr)
    t.match(parse(stdout), {
      imageDigestSources: [{ source: 'quay.io/org/app', mirrors: ['reg.example.com:5000/quay.io/org/app'] }],
    })
  }
})

t.test('with --out the files lie there, logins for their owner alone', async (t) => {
  const { config, data, directory } = await makeClusterHome(t.testdir({}))
  plantMirrored(data)
  const out = join(directory, 'out')
  const login = ['--user', 'david', '--password-stdin', '--config', config, '--out', out]
  const { stdout, code } = await runCommand(['cluster', 'pull-secret', ...login], { input: PASSWORD })
  t.equal(code, 0)
  t.notMatch(stdout, AUTH)
  t.match(stdout, `made ${out}/pull-secret.json`)
  t.match(stdout, 'oc set data secret/pull-secret -n openshift-config --from-file=.dockerconfigjson=pull-secret.json')
  t.equal(statSync(join(out, 'pull-secret.json')).mode & 0o777, 0o600)
  const json = await runCommand(['cluster', 'nodes', ...login, '--json'], { input: PASSWORD })
  const { files } = JSON.parse(json.stdout) as { files: { path: string; place: string }[] }
  t.ok(files.length > 5)
  t.notMatch(json.stdout, AUTH)
  for (const { path } of files) t.ok(statSync(path).isFile())
})

t.test('the pull secret is one line on stdout, also as base64, and commands go to stderr', async (t) => {
  const { config } = await makeClusterHome(t.testdir({}))
  const args = ['cluster', 'pull-secret', '--user', 'david', '--password-stdin', '--config', config]
  const plain = await runCommand(args, { input: PASSWORD })
  t.same(JSON.parse(plain.stdout), { auths: { 'reg.example.com:5000': { auth: AUTH } } })
  t.equal(plain.stdout.trim().split('\n').length, 1)
  t.match(plain.stderr, 'apply it: oc set data')
  const encoded = await runCommand([...args, '--base64'], { input: PASSWORD })
  t.equal(Buffer.from(encoded.stdout, 'base64').toString(), plain.stdout.trim())
  t.notMatch(plain.stderr + encoded.stderr, AUTH)
})

t.test('a password that does not open the registry is handed out to nobody', async (t) => {
  const { config } = await makeClusterHome(t.testdir({}))
  const wrong = await runCommand(
    ['cluster', 'pull-secret', '--user', 'david', '--password-stdin', '--config', config],
    {
      input: 'wrong-password',
    },
  )
  t.match(wrong, { code: 1, stdout: '', stderr: /does not let david in/ })
  t.notMatch(wrong.stderr, 'wrong-password')
  const half = await runCommand(['cluster', 'pull-secret', '--user', 'david', '--config', config])
  t.match(half, { code: 2, stderr: /--password-stdin/ })
  // Another registry's users are not known here.
  const other = ['cluster', 'pull-secret', 'other.example.com', '--user', 'x', '--password-stdin', '--config', config]
  t.match(await runCommand(other, { input: 'anything' }), { code: 0 })
})

t.test('ca extends what the cluster has, by file or by oc', async (t) => {
  const { config, ca, directory } = await makeClusterHome(t.testdir({}))
  const existing = {
    kind: 'ConfigMap',
    metadata: { name: 'davidwei-crt' },
    data: { 'quay.example.com': makeTestAuthority().certificate },
  }
  const file = join(directory, 'cm.json')
  writeFileSync(file, JSON.stringify(existing))
  const expected = {
    kind: 'ConfigMap',
    metadata: { name: 'davidwei-crt', namespace: 'openshift-config' },
    data: { 'quay.example.com': existing.data['quay.example.com'], 'reg.example.com..5000': readFileSync(ca, 'utf8') },
  }
  const byFile = await runCommand(['cluster', 'ca', '--config', config, '--existing', file])
  t.match(parse(byFile.stdout), expected)
  t.match(
    byFile.stdout,
    `oc patch image.config.openshift.io/cluster --type=merge -p '{"spec":{"additionalTrustedCA":{"name":"davidwei-crt"}}}'`,
  )

  fakeOc(t, directory, {
    'get image.config.openshift.io/cluster -o json': {
      kind: 'Image',
      spec: { additionalTrustedCA: { name: 'davidwei-crt' } },
    },
    'get configmap/davidwei-crt -n openshift-config -o json': existing,
  })
  const byCluster = await runCommand(['cluster', 'ca', '--config', config, '--from-cluster'])
  t.equal(byCluster.code, 0, byCluster.stderr)
  t.match(parse(byCluster.stdout), expected)
})

t.test('a private key in the file of the certificate never gets out', async (t) => {
  const { certificate, key } = makeTestAuthority()
  const file = join(t.testdir({}), 'both.pem')
  writeFileSync(file, `${key}${certificate}`)
  const { stdout, code } = await runCommand(['cluster', 'ca', 'reg.example.com:5000', '--ca', file])
  t.equal(code, 0)
  t.notMatch(stdout, 'PRIVATE')
  t.match(parse(stdout), { data: { 'reg.example.com..5000': certificate } })
})

t.test('signatures are those of the store, by release or all', async (t) => {
  const { config, data } = await makeClusterHome(t.testdir({}))
  const none = await runCommand(['cluster', 'signatures', '--config', config])
  t.match(none, { code: 1, stderr: /no signature of any release/ })
  plantMirrored(data)
  plantFile(createLayout(data).signature(RELEASE, 1), 'signed')
  for (const args of [[], [RELEASE], ['ocp4/openshift4:4.4.10-x86_64'], ['ocp4/openshift4']]) {
    const { code, stdout, stderr } = await runCommand(['cluster', 'signatures', ...args, '--config', config])
    t.equal(code, 0, stderr)
    t.match(parse(stdout), {
      kind: 'ConfigMap',
      metadata: {
        namespace: 'openshift-config-managed',
        labels: { 'release.openshift.io/verification-signatures': '' },
      },
      binaryData: { [`sha256-${RELEASE.slice(7)}-1`]: Buffer.from('signed').toString('base64') },
    })
  }
  t.match(await runCommand(['cluster', 'signatures', digestOf(Buffer.from('x')), '--config', config]), { code: 1 })
  t.match(await runCommand(['cluster', 'signatures', 'team/none:1', '--config', config]), {
    code: 1,
    stderr: /there is no team\/none:1/,
  })
})

t.test('catalogs are found by the labels of their images, or named', async (t) => {
  const { config, data } = await makeClusterHome(t.testdir({}))
  const layout = createLayout(data)
  const put = (text: string): string => {
    const digest = digestOf(Buffer.from(text))
    plantFile(layout.blobData(digest), text)
    return digest
  }
  const label = { 'operators.operatorframework.io.index.configs.v1': '/configs' }
  const body = JSON.stringify({ architecture: 'amd64', os: 'linux', config: { Labels: label } })
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: put(body), size: body.length },
    layers: [],
  })
  plantTags(data, 'redhat/redhat-operator-index', ['v4.18'], digestOf(Buffer.from(manifest)))
  put(manifest)
  plantTags(data, 'team/app', ['1'])
  const found = await runCommand(['cluster', 'catalog-source', '--for', '4.14', '--config', config])
  t.equal(found.code, 0, found.stderr)
  t.match(parse(found.stdout), {
    kind: 'CatalogSource',
    spec: { image: 'reg.example.com:5000/redhat/redhat-operator-index:v4.18' },
  })
  const named = await runCommand(['cluster', 'catalog-source', 'reg:5000', '--for', '4.19', '--image', 'a/index:v1'])
  t.match(
    parseAllDocuments(named.stdout).map((document) => document.toJS()),
    [{ kind: 'CatalogSource' }, { kind: 'ClusterCatalog' }],
  )
})

t.test('the update service takes the release repository and pins the graph', async (t) => {
  const { config, data } = await makeClusterHome(t.testdir({}))
  plantMirrored(data)
  plantTags(data, 'openshift/graph-image', ['latest'])
  const { stdout, stderr, code } = await runCommand(['cluster', 'update-service', '--config', config])
  t.equal(code, 0, stderr)
  t.match(parse(stdout), {
    spec: {
      releases: 'reg.example.com:5000/ocp4/openshift4',
      graphDataImage: `reg.example.com:5000/openshift/graph-image@${RELEASE}`,
    },
  })
  t.match(stderr, 'slow')
})

t.test('nodes prints a script, for one runtime or for whichever is there', async (t) => {
  const { config } = await makeClusterHome(t.testdir({}))
  const all = await runCommand(['cluster', 'nodes', '--config', config, '--source', 'quay.io=quay.io'])
  t.equal(all.code, 0, all.stderr)
  t.match(all.stdout, 'if { command -v containerd; }')
  const one = await runCommand([
    'cluster',
    'nodes',
    '--config',
    config,
    '--runtime',
    'podman',
    '--source',
    'quay.io=quay.io',
  ])
  t.match(one.stdout, '/etc/containers/registries.conf.d/50-tarn.conf')
  t.notMatch(one.stdout, 'containerd')
  t.match(await runCommand(['cluster', 'nodes', '--config', config, '--runtime', 'rkt']), { code: 2 })
})
