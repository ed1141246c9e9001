import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { parseDigest } from '../../../src/oci/digest.ts'
import { createLayout } from '../../../src/storage/layout.ts'
import type { FixtureRelease } from '../../fixtures/release.ts'
import { buildRelease } from '../../fixtures/release.ts'
import { makeTestAuthority, makeTestServer } from '../../helpers/authority.ts'
import { runCommand } from '../../helpers/command.ts'
import { fakeOc } from '../../helpers/fake-oc.ts'
import { makeLogin, PASSWORD, USERNAME } from '../../helpers/login.ts'
import { pushMirrored } from '../../helpers/mirrored-release.ts'
import { startTarn } from '../../helpers/server.ts'

const REPOSITORY = 'ocp4/openshift4'
const HOST = 'reg.example.com'

interface Site {
  readonly directory: string
  readonly data: string
  readonly port: number
  readonly release: FixtureRelease
  readonly files: Readonly<Record<'ca' | 'secret' | 'configMap' | 'mirrorSet', string>>
  /** Runs the doctor with everything that the cluster knows. */
  readonly doctor: (...more: string[]) => ReturnType<typeof runCommand>
}

/** A registry with TLS and login that holds a release, and what a cluster knows of it. */
async function makeSite(t: Test, clock = Date.now, hosts: readonly string[] = [HOST]): Promise<Site> {
  const release = await buildRelease({ version: '4.14.1', host: 'quay.io', components: 4 })
  const plain = await startTarn(t)
  await pushMirrored(release, REPOSITORY, { url: plain.url })
  await plain.close()

  const { directory, data } = plain
  const own = join(directory, 'own')
  mkdirSync(own)
  const authority = makeTestAuthority('the right CA')
  const server = makeTestServer(authority, hosts, clock)
  const write = (name: string, text: string): string => {
    writeFileSync(join(own, name), text)
    return join(own, name)
  }
  const tls = { certificate: write('server.crt', server.certificate), key: write('server.key', server.key) }
  const { port } = await startTarn(t, { auth: makeLogin(own), http: { tls } }, directory)
  const name = `${HOST}:${port}`
  const auth = Buffer.from(`${USERNAME}:${PASSWORD}`).toString('base64')
  const mirrors = ['ocp-release', 'ocp-v4.0-art-dev'].map((each) => ({
    source: `quay.io/openshift-release-dev/${each}`,
    mirrors: [`${name}/${REPOSITORY}`],
  }))
  const files = {
    ca: write('ca.crt', authority.certificate),
    secret: write('secret.json', JSON.stringify({ auths: { [name]: { auth } } })),
    configMap: write(
      'cm.json',
      JSON.stringify({ kind: 'ConfigMap', data: { [`${HOST}..${port}`]: authority.certificate } }),
    ),
    mirrorSet: write(
      'idms.json',
      JSON.stringify({ kind: 'ImageDigestMirrorSet', spec: { imageDigestMirrors: mirrors } }),
    ),
  }
  const known = [
    '--ca',
    files.ca,
    '--existing',
    files.configMap,
    '--pull-secret',
    files.secret,
    '--mirror-set',
    files.mirrorSet,
  ]
  return {
    directory,
    data,
    port,
    release,
    files,
    doctor: (...more) =>
      runCommand(['cluster', 'doctor', name, '--address', '127.0.0.1', ...known, ...more], { clock }),
  }
}

const linesOf = (stdout: string, word: string): string[] => stdout.split('\n').filter((line) => line.startsWith(word))

t.test('a registry from which a node gets all is told so, check by check', async (t) => {
  const { doctor, data, release } = await makeSite(t)
  const image = `quay.io/openshift-release-dev/ocp-v4.0-art-dev@${release.components[0]?.digest}`
  const args = ['--release', `${REPOSITORY}:4.14.1-x86_64`, '--image', image]
  const first = await doctor(...args)
  t.equal(first.code, 0, first.stdout + first.stderr)
  t.match(first.stdout, /^WARNING {2}signature of sha256/m)
  mkdirSync(createLayout(data).signaturesOf(parseDigest(release.digest)), { recursive: true })
  writeFileSync(createLayout(data).signature(parseDigest(release.digest), 1), 'signed')
  const { stdout, code } = await doctor(...args)
  t.equal(code, 0)
  for (const check of [
    'name',
    'connection',
    'certificate name',
    'certificate dates',
    'certificate chain',
    'cluster trust',
    '/v2/',
    'login',
    'mirror set',
    `image ${image}`,
    `release ${REPOSITORY}:4.14.1-x86_64`,
    'signature of',
  ]) {
    t.ok(
      stdout.split('\n').some((line) => line.startsWith(`ok       ${check}`)),
      `${check}\n${stdout}`,
    )
  }
  t.match(stdout, `all ${release.components.length} components of 4.14.1 can be pulled`)
  t.notMatch(stdout, 'FAILED')
  t.notMatch(stdout, PASSWORD)
  const json = await doctor(...args, '--json')
  t.match(JSON.parse(json.stdout), { ok: true, checks: [{ name: 'name', state: 'ok' }] })
})

t.test('a component that was lost is named, with exit code 4', async (t) => {
  const { doctor, data, release } = await makeSite(t)
  const lost = release.components.at(-1)
  rmSync(createLayout(data).blob(parseDigest(lost?.digest ?? '')), { recursive: true })
  const { stdout, code } = await doctor('--release', `${REPOSITORY}:4.14.1-x86_64`)
  t.equal(code, 4)
  t.match(stdout, `1 of ${release.components.length} components of 4.14.1 cannot be pulled`)
  t.match(stdout, `FAILED   component ${lost?.name}: is not at ${HOST}:`)
  t.match(stdout, 'hint: bring it: tarn sync')
})

t.test('a mirror set that leads elsewhere, or has no place for an image, is found', async (t) => {
  const { doctor, files, release } = await makeSite(t)
  writeFileSync(files.mirrorSet, readFileSync(files.mirrorSet, 'utf8').replaceAll(HOST, 'other.example.com'))
  const elsewhere = await doctor('--release', `${REPOSITORY}:4.14.1-x86_64`)
  t.equal(elsewhere.code, 4)
  t.match(elsewhere.stdout, 'FAILED   mirror set: nothing says that images lie at')
  t.equal(linesOf(elsewhere.stdout, 'FAILED   component').length, release.components.length)
  t.match(elsewhere.stdout, 'no mirror set says where it lies, for pulls by digest')
})

t.test('a name that the certificate does not stand for is found', async (t) => {
  const { doctor } = await makeSite(t, Date.now, ['old.example.com'])
  const { stdout, code } = await doctor()
  t.equal(code, 4)
  t.match(stdout, `FAILED   certificate name: it stands for old.example.com, not for ${HOST}`)
  t.match(stdout, `hint: make one with it: tarn cert renew --host ${HOST}`)
  t.match(stdout, 'ok       certificate chain')
})

t.test('a certificate that ran out, or soon will, is found', async (t) => {
  const day = 86_400_000
  const site = await makeSite(t, () => Date.now() - 820 * day)
  t.equal(site.port > 0, true)
  // The doctor looks at its own clock; the server's certificate is good for 825 days from then.
  const soon = await runCommand([
    'cluster',
    'doctor',
    `${HOST}:${site.port}`,
    '--address',
    '127.0.0.1',
    '--ca',
    site.files.ca,
  ])
  t.match(soon.stdout, /^WARNING {2}certificate dates: it runs out in \d days/m)
  const late = await runCommand(
    ['cluster', 'doctor', `${HOST}:${site.port}`, '--address', '127.0.0.1', '--ca', site.files.ca],
    {
      clock: () => Date.now() + 30 * day,
    },
  )
  t.match(late.stdout, /^FAILED {3}certificate dates: .* ran out on/m)
  t.equal(late.code, 4)
})

t.test('an authority that did not sign it is found, on file and in the cluster', async (t) => {
  const { doctor, files } = await makeSite(t)
  const wrong = makeTestAuthority('a wrong CA').certificate
  writeFileSync(
    files.configMap,
    readFileSync(files.configMap, 'utf8').replace(/-----BEGIN.*-----\\n/, wrong.replaceAll('\n', '\\n')),
  )
  const cluster = await doctor()
  t.equal(cluster.code, 4)
  t.match(cluster.stdout, /^FAILED {3}cluster trust: the cluster trusts another certificate/m)
  t.match(cluster.stdout, 'ok       certificate chain')
  writeFileSync(files.configMap, '{"kind":"ConfigMap","data":{}}')
  t.match(
    (await doctor()).stdout,
    /^FAILED {3}cluster trust: the cluster’s ConfigMap has no key reg\.example\.com\.\.\d+/m,
  )
  writeFileSync(files.ca, wrong)
  const file = await doctor()
  t.equal(file.code, 4)
  t.match(file.stdout, /^FAILED {3}certificate chain: it does not lead to the certificate on file/m)
  t.match(file.stdout, '-        pulls: not tried')
})

t.test('a wrong login, and none, are found', async (t) => {
  const { doctor, files, port } = await makeSite(t)
  const auth = Buffer.from(`${USERNAME}:wrong`).toString('base64')
  writeFileSync(files.secret, JSON.stringify({ auths: { [`${HOST}:${port}`]: { auth } } }))
  const wrong = await doctor()
  t.equal(wrong.code, 4)
  t.match(wrong.stdout, `FAILED   login: ${USERNAME} is not let in (401)`)
  t.match(wrong.stdout, 'tarn cluster repair')
  writeFileSync(files.secret, '{"auths":{}}')
  t.match((await doctor()).stdout, 'FAILED   login: the registry asks for one, and none was given')
})

t.test('a name without an address, a closed port and plain HTTP are told apart', async (t) => {
  const unknown = await runCommand(['cluster', 'doctor', 'no-such-name.invalid:5000'])
  t.equal(unknown.code, 4)
  t.match(unknown.stdout, /^FAILED {3}name: no-such-name\.invalid has no address here/m)
  const server = createServer((_request, response) => response.end('hello'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const plain = await runCommand(['cluster', 'doctor', `127.0.0.1:${port}`])
  t.match(plain.stdout, 'FAILED   tls: it speaks plain HTTP')
  await new Promise((resolve) => server.close(resolve))
  const closed = await runCommand(['cluster', 'doctor', `127.0.0.1:${port}`])
  t.match(closed.stdout, `FAILED   connection: 127.0.0.1 port ${port}: ECONNREFUSED`)
})

t.test('asked through oc, the cluster tells all that it knows, and the release that it runs is tried', async (t) => {
  const { directory, port, release, files } = await makeSite(t)
  const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'))
  const image = `quay.io/openshift-release-dev/ocp-release@${release.digest}`
  const old = `quay.io/openshift-release-dev/ocp-release@sha256:${'0'.repeat(64)}`
  fakeOc(t, directory, {
    'get image.config.openshift.io/cluster -o json': { kind: 'Image', spec: { additionalTrustedCA: { name: 'cas' } } },
    'get configmap/cas -n openshift-config -o json': read(files.configMap),
    'get secret/pull-secret -n openshift-config -o json': {
      kind: 'Secret',
      data: { '.dockerconfigjson': Buffer.from(readFileSync(files.secret)).toString('base64') },
    },
    'get imagedigestmirrorset -o json': { kind: 'List', items: [read(files.mirrorSet)] },
    'get clusterversion/version -o json': {
      kind: 'ClusterVersion',
      status: { desired: { image, version: '4.14.1' }, history: [{ image: old }] },
    },
  })
  const args = ['cluster', 'doctor', `${HOST}:${port}`, '--address', '127.0.0.1', '--from-cluster']
  const { stdout, stderr, code } = await runCommand([...args, '--ca', files.ca])
  t.equal(code, 0, stdout + stderr)
  t.match(stdout, `ok       image ${image}: is at ${HOST}:${port}/${REPOSITORY}`)
  t.match(stdout, `all ${release.components.length} components of 4.14.1 can be pulled`)
  t.match(stdout, 'ok       cluster trust')
  t.notMatch(stdout, PASSWORD)
})

t.test('a registry that is named by its address is tried by it', async (t) => {
  const site = await makeSite(t, Date.now, ['127.0.0.1'])
  const known = ['--ca', site.files.ca, '--user', USERNAME, '--password-stdin', '--source', `quay.io=${REPOSITORY}`]
  const run = await runCommand(['cluster', 'doctor', `127.0.0.1:${site.port}`, ...known], { input: PASSWORD })
  t.equal(run.code, 0, run.stdout + run.stderr)
  t.match(run.stdout, `ok       login: ${USERNAME} is let in`)
})
