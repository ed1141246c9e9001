import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { parse } from 'yaml'
import { parseHtpasswd } from '../../../src/auth/htpasswd.ts'
import { matchesHash } from '../../../src/auth/password.ts'
import { digestOf } from '../../../src/oci/digest.ts'
import { createLayout } from '../../../src/storage/layout.ts'
import { makeTestAuthority } from '../../helpers/authority.ts'
import { makeClusterHome } from '../../helpers/cluster-home.ts'
import { openClient } from '../../helpers/client.ts'
import { runCommand } from '../../helpers/command.ts'
import { fakeOc } from '../../helpers/fake-oc.ts'
import { makeLogin, PASSWORD, USERNAME } from '../../helpers/login.ts'
import { plantFile } from '../../helpers/plant.ts'
import { pushImage } from '../../helpers/push.ts'
import { makeDirectory, startTarn } from '../../helpers/server.ts'

const OLD = 'the-old-password'
const auth = (user: string, password: string): { auth: string } => ({
  auth: Buffer.from(`${user}:${password}`).toString('base64'),
})

/** A rebuilt home, and what the cluster knows from before. */
async function makeDisaster(t: Test) {
  const home = await makeClusterHome(t.testdir({}))
  const secret = join(home.directory, 'secret.json')
  const value = Buffer.from(
    JSON.stringify({ auths: { 'quay.io': auth('r', 'h'), 'reg.example.com:5000': auth('installer', OLD) } }),
  )
  writeFileSync(secret, JSON.stringify({ kind: 'Secret', data: { '.dockerconfigjson': value.toString('base64') } }))
  const existing = join(home.directory, 'cm.json')
  const lost = makeTestAuthority('lost CA').certificate
  const other = makeTestAuthority('other CA').certificate
  writeFileSync(
    existing,
    JSON.stringify({
      kind: 'ConfigMap',
      metadata: { name: 'davidwei-crt' },
      data: { 'reg.example.com..5000': lost, 'quay.example.com': other },
    }),
  )
  const out = join(home.directory, 'out')
  const args = [
    'cluster',
    'repair',
    '--config',
    home.config,
    '--pull-secret',
    secret,
    '--existing',
    existing,
    '--out',
    out,
  ]
  return { ...home, args, out, other, secret }
}

t.test('the old login opens the new registry, and only the certificate changes on the cluster', async (t) => {
  const { args, out, htpasswd, ca, other } = await makeDisaster(t)
  const { code, stdout, stderr } = await runCommand(args)
  t.equal(code, 0, stderr)
  const { users } = parseHtpasswd(readFileSync(htpasswd, 'utf8'))
  t.equal(await matchesHash(OLD, users.get('installer') ?? ''), true)
  t.ok(users.has('david'), 'who was there stays')
  t.match(stdout, '  + installer, with the password that the pull secret holds for reg.example.com:5000')
  t.match(stdout, /- reg\.example\.com\.\.5000: lost CA, until /)
  t.match(stdout, /\+ reg\.example\.com\.\.5000: Tarn CA reg\.example\.com, until /)
  t.match(stdout, '  = quay.example.com')
  t.match(stdout, '  = stays as it is: the registry takes its login')
  t.match(parse(readFileSync(join(out, 'registry-cas.yaml'), 'utf8')), {
    metadata: { name: 'davidwei-crt', namespace: 'openshift-config' },
    data: { 'reg.example.com..5000': readFileSync(ca, 'utf8'), 'quay.example.com': other },
  })
  t.match(
    readFileSync(join(out, 'apply.sh'), 'utf8'),
    'oc apply -f registry-cas.yaml\noc patch image.config.openshift.io/cluster',
  )
  t.notOk(existsSync(join(out, 'pull-secret.json')))
  t.notMatch(stdout + stderr, OLD)

  const again = await runCommand(args)
  t.match(again.stdout, '  = installer, with the password')
})

t.test('--dry-run shows the same and writes nothing', async (t) => {
  const { args, out, htpasswd } = await makeDisaster(t)
  const before = readFileSync(htpasswd, 'utf8')
  const { code, stdout } = await runCommand([...args, '--dry-run'])
  t.equal(code, 0)
  t.match(stdout, '  + installer, with the password')
  t.equal(readFileSync(htpasswd, 'utf8'), before)
  t.notOk(existsSync(out))
})

t.test('what cannot be done is noticed before anything is written', async (t) => {
  const { args, out, htpasswd, directory } = await makeDisaster(t)
  const before = readFileSync(htpasswd, 'utf8')
  const [none, text, used] = ['none.pem', 'none.txt', 'used.txt'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(none, 'no certificate')
  writeFileSync(text, 'no image\n')
  writeFileSync(used, 'quay.io/team/app:1\n')
  for (const wrong of [
    ['--ca', none],
    ['--in-use', text],
    ['--in-use', join(directory, 'nowhere')],
    ['--in-use', used, '--from', join(directory, 'nowhere')],
  ]) {
    const { code, stderr } = await runCommand([...args, ...wrong])
    t.not(code, 0, wrong.join(' '))
    t.match(stderr, /\nhint: /)
    t.equal(readFileSync(htpasswd, 'utf8'), before, wrong.join(' '))
    t.notOk(existsSync(out), wrong.join(' '))
  }
})

t.test('--new-login changes both on the cluster and leaves the registry’s users alone', async (t) => {
  const { args, out, htpasswd } = await makeDisaster(t)
  const before = readFileSync(htpasswd, 'utf8')
  const login = ['--new-login', '--user', 'david', '--password-stdin']
  const { code, stdout, stderr } = await runCommand([...args, ...login], { input: 'hunter2-very-secret\n' })
  t.equal(code, 0, stderr)
  t.equal(readFileSync(htpasswd, 'utf8'), before)
  t.match(stdout, '- reg.example.com:5000: user installer')
  t.match(stdout, '+ reg.example.com:5000: user david')
  t.same(JSON.parse(readFileSync(join(out, 'pull-secret.json'), 'utf8')), {
    auths: { 'quay.io': auth('r', 'h'), 'reg.example.com:5000': auth('david', 'hunter2-very-secret') },
  })
  t.equal(statSync(join(out, 'pull-secret.json')).mode & 0o777, 0o600)
  t.match(readFileSync(join(out, 'apply.sh'), 'utf8'), 'oc set data secret/pull-secret')
  t.notMatch(stdout + stderr, 'hunter2')
  t.match(await runCommand([...args, '--new-login']), { code: 2 })
})

t.test('when the certificate is the one that the cluster has, nothing need change there', async (t) => {
  const { directory, ca, config, secret, out } = await makeDisaster(t)
  const existing = join(directory, 'same.json')
  writeFileSync(
    existing,
    JSON.stringify({
      kind: 'ConfigMap',
      metadata: { name: 'x' },
      data: { 'reg.example.com..5000': readFileSync(ca, 'utf8') },
    }),
  )
  const args = ['cluster', 'repair', '--config', config, '--pull-secret', secret, '--existing', existing, '--out', out]
  const { stdout, code } = await runCommand(args)
  t.equal(code, 0)
  t.match(stdout, 'nothing need change on the cluster')
  t.notOk(existsSync(out))
})

t.test('without a word of the cluster the command says what it wants', async (t) => {
  const { config } = await makeDisaster(t)
  t.match(await runCommand(['cluster', 'repair', '--config', config]), {
    code: 2,
    stderr: /nothing is known of the cluster/,
  })
})

t.test('lost images are told, with the places that have them', async (t) => {
  const { directory, config, data } = await makeDisaster(t)
  const layout = createLayout(data)
  const put = (text: string, root = layout): string => {
    plantFile(root.blobData(digestOf(Buffer.from(text))), text)
    return digestOf(Buffer.from(text))
  }
  const imageOf = (text: string): string =>
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: digestOf(Buffer.from(text)),
        size: text.length,
      },
      layers: [],
    })
  const [here, damaged, lost] = [imageOf('{"a":1}'), imageOf('{"b":2}'), imageOf('{"c":3}')]
  for (const manifest of [here, damaged]) {
    const digest = put(manifest)
    plantFile(`${layout.repositories}/ocp4/openshift4/_manifests/revisions/sha256/${digest.slice(7)}/link`, digest)
  }
  const config1 = put('{"a":1}')
  plantFile(`${layout.repositories}/ocp4/openshift4/_layers/sha256/${config1.slice(7)}/link`, config1)

  const nameOf = (manifest: string): string =>
    `quay.io/openshift-release-dev/ocp-v4.0-art-dev@${digestOf(Buffer.from(manifest))}`
  const list = join(directory, 'images.txt')
  writeFileSync(list, [here, damaged, lost].map(nameOf).concat('ghcr.io/a/b:1').join('\n'))
  // Another data directory has both; oc's directory has neither.
  const backup = join(directory, 'backup')
  for (const text of [damaged, lost]) put(text, createLayout(backup))
  const oc = join(directory, 'mirror')
  mkdirSync(join(oc, 'v2/openshift/release/manifests'), { recursive: true })

  const args = ['cluster', 'repair', '--config', config, '--in-use', list, '--from', backup, '--from', oc]
  const source = ['--source', 'quay.io/openshift-release-dev/ocp-v4.0-art-dev=ocp4/openshift4']
  const { code, stdout, stderr } = await runCommand([...args, ...source])
  t.equal(code, 4, stderr)
  t.match(stdout, 'images in use: 1 here, 1 missing, 1 incomplete, 1 not mirrored')
  t.match(stdout, `  missing  ${nameOf(lost)}  (ocp4/openshift4)`)
  t.match(stdout, `  incomplete  ${nameOf(damaged)}`)
  t.match(stdout, `${backup} (data directory): has 2 of 2 images\n    tarn import data:${backup}`)
  t.match(stdout, `${oc} (oc directory): has 0 of 2 images`)
  const json = await runCommand([...args, ...source, '--json'])
  t.match(JSON.parse(json.stdout), {
    images: [{ state: 'here' }, { state: 'incomplete' }, { state: 'missing' }, { state: 'not mirrored' }],
  })
  t.match(
    await runCommand([
      'cluster',
      'repair',
      '--config',
      config,
      '--in-use',
      list,
      '--from',
      join(directory, 'nowhere'),
      ...source,
    ]),
    {
      code: 2,
    },
  )
})

t.test('images in use that cannot be looked for are told, not passed over', async (t) => {
  const { directory, config } = await makeDisaster(t)
  const list = join(directory, 'images.txt')
  writeFileSync(list, 'nothing here\n')
  const args = ['cluster', 'repair', 'reg.example.com:5000', '--in-use', list]
  t.match(await runCommand([...args, '--config', config]), { code: 2, stderr: /no image was recognised in / })
  writeFileSync(list, 'quay.io/a/b:1\n')
  const source = ['--source', 'quay.io/a=a']
  t.match(await runCommand([...args, ...source]), { code: 2, stderr: /there is no registry’s configuration here/ })
})

t.test(
  'a registry is asked, with the login of the pull secret, and says which of the lost images it has',
  async (t) => {
    const { directory, config } = await makeDisaster(t)
    const upstream = await startTarn(t, { auth: makeLogin(makeDirectory(t)) })
    const host = new URL(upstream.url).host
    const client = openClient({ url: upstream.url, username: USERNAME, password: PASSWORD })
    const { digest } = await pushImage(client, 'org/app', 'first', { reference: 'v1' })
    client.close()
    const there = `${host}/org/app@${digest}`
    const gone = `${host}/org/app@${digestOf(Buffer.from('gone'))}`
    const list = join(directory, 'images.txt')
    writeFileSync(list, `${there}\n${gone}\n`)
    const secret = join(directory, 'logins.json')
    const args = ['cluster', 'repair', '--config', config, '--in-use', list, '--source', `${host}/org=team`]
    const from = ['--from', host, '--plain-http', host]
    const anonymous = await runCommand([...args, ...from])
    t.equal(anonymous.code, 4, anonymous.stderr)
    t.match(anonymous.stdout, `${host} (registry): may have them: `)
    writeFileSync(
      secret,
      JSON.stringify({ auths: { 'reg.example.com:5000': auth('installer', OLD), [host]: auth(USERNAME, PASSWORD) } }),
    )
    const asked = await runCommand([...args, ...from, '--pull-secret', secret, '--dry-run'])
    t.equal(asked.code, 4, asked.stderr)
    t.match(
      asked.stdout,
      `${host} (registry): has 1 of 2 images\n    tarn sync ${there} team/app\n    not there: ${gone}`,
    )
    t.notMatch(asked.stdout + asked.stderr, PASSWORD)
  },
)

t.test('asked through oc, the cluster gives its secret, its certificates and the images in use', async (t) => {
  const { directory, config, secret, out } = await makeDisaster(t)
  const image = `quay.io/openshift-release-dev/ocp-release@sha256:${'a'.repeat(64)}`
  fakeOc(t, directory, {
    'get secret/pull-secret -n openshift-config -o json': JSON.parse(readFileSync(secret, 'utf8')) as object,
    'get image.config.openshift.io/cluster -o json': { kind: 'Image', spec: { additionalTrustedCA: { name: 'cas' } } },
    'get configmap/cas -n openshift-config -o json': { kind: 'ConfigMap', metadata: { name: 'cas' }, data: {} },
    'get clusterversion/version -o json': { kind: 'ClusterVersion', status: { desired: { image } } },
    'get pods --all-namespaces -o json': {
      kind: 'List',
      items: [{ spec: { containers: [{ image: 'docker.io/library/x:1' }] } }],
    },
  })
  const args = ['cluster', 'repair', '--config', config, '--from-cluster', '--out', out, '--from', '127.0.0.1:1']
  const { code, stdout, stderr } = await runCommand([...args, '--source', 'quay.io/openshift-release-dev=ocp4'])
  t.equal(code, 4, stderr)
  t.match(stdout, 'ConfigMap cas in openshift-config')
  t.match(stdout, '  + installer, with the password')
  t.match(stdout, 'images in use: 0 here, 1 missing, 0 incomplete, 1 not mirrored')
  t.match(stdout, /127\.0\.0\.1:1 \(registry\): may have them: [^\n]*127\.0\.0\.1:1[^\n]*\n/)
  t.match(stdout, `\n    tarn release mirror ${image} ocp4/ocp-release`)
})
