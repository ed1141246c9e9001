import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { parseSourceOption } from '../../../src/openshift/cluster/mirror-pairs.ts'
import { makeHostsToml } from '../../../src/openshift/cluster/node-containerd.ts'
import { makeDaemonJson } from '../../../src/openshift/cluster/node-docker.ts'
import { makeRegistriesYaml } from '../../../src/openshift/cluster/node-k3s.ts'
import type { NodeOptions } from '../../../src/openshift/cluster/node-options.ts'
import { makeRegistriesConf } from '../../../src/openshift/cluster/node-podman.ts'
import { handOutNodes, makeNodeScript, RUNTIMES } from '../../../src/openshift/cluster/nodes.ts'
import { parseRegistryName } from '../../../src/openshift/cluster/registry-name.ts'
import { makeTestAuthority } from '../../helpers/authority.ts'

const REG = parseRegistryName('reg.example.com:5000')
const PAIRS = ['quay.io=quay.io', 'quay.io/openshift-release-dev/ocp-release=ocp4/openshift4'].map((text) =>
  parseSourceOption(text, REG),
)
const OPTIONS: NodeOptions = {
  registry: REG,
  trust: makeTestAuthority().certificate,
  login: { user: 'david', password: 'pass"word$x' },
  pairs: PAIRS,
  neverSource: false,
  isHub: false,
}
const AUTH = Buffer.from('david:pass"word$x').toString('base64')

t.test('podman mirrors what keeps its tags in all ways, what was renamed by digest', async (t) => {
  t.equal(
    makeRegistriesConf(OPTIONS),
    `# made by tarn cluster nodes

[[registry]]
prefix = "quay.io"
location = "quay.io"

[[registry.mirror]]
location = "reg.example.com:5000/quay.io"

[[registry]]
prefix = "quay.io/openshift-release-dev/ocp-release"
location = "quay.io/openshift-release-dev/ocp-release"

[[registry.mirror]]
location = "reg.example.com:5000/ocp4/openshift4"
pull-from-mirror = "digest-only"
`,
  )
  t.match(makeRegistriesConf({ ...OPTIONS, neverSource: true }), 'location = "quay.io"\nblocked = true\n')
})

t.test('containerd has one file for all registries, with the login in it', async (t) => {
  t.equal(
    makeHostsToml(OPTIONS),
    `# made by tarn cluster nodes

[host."https://reg.example.com:5000"]
  capabilities = ["pull", "resolve"]
  ca = "/etc/containerd/certs.d/_default/tarn-ca.crt"
  [host."https://reg.example.com:5000".header]
    authorization = ["Basic ${AUTH}"]
`,
  )
  const bare = { registry: REG, pairs: [], neverSource: true, isHub: false }
  t.equal(
    makeHostsToml(bare),
    `# made by tarn cluster nodes
server = "https://reg.example.com:5000"

[host."https://reg.example.com:5000"]
  capabilities = ["pull", "resolve"]
`,
  )
})

t.test('k3s and RKE2 send every registry here, rewrite what was renamed, and keep what they had', async (t) => {
  const mirror = { endpoint: ['https://reg.example.com:5000'] }
  const ours = {
    mirrors: {
      '*': mirror,
      'quay.io': {
        ...mirror,
        rewrite: { '^openshift-release-dev/ocp-release(/.*)?$': 'reg.example.com/ocp4/openshift4$1' },
      },
    },
    configs: {
      'reg.example.com:5000': {
        auth: { username: 'david', password: 'pass"word$x' },
        tls: { ca_file: '/etc/rancher/k3s/tarn-ca.crt' },
      },
    },
  }
  const ca = '/etc/rancher/k3s/tarn-ca.crt'
  t.same(parse(makeRegistriesYaml(OPTIONS, ca)), ours)
  const existing =
    'mirrors:\n  ghcr.io: {endpoint: ["https://a"]}\nconfigs:\n  a: {tls: {insecure_skip_verify: true}}\nother: 1\n'
  t.same(parse(makeRegistriesYaml({ ...OPTIONS, registriesYaml: existing }, ca)), {
    mirrors: { 'ghcr.io': { endpoint: ['https://a'] }, ...ours.mirrors },
    configs: { a: { tls: { insecure_skip_verify: true } }, ...ours.configs },
    other: 1,
  })
})

t.test('dockerd has this registry as its first mirror, and keeps what it had', async (t) => {
  t.same(JSON.parse(makeDaemonJson(OPTIONS)), { 'registry-mirrors': ['https://reg.example.com:5000'] })
  const daemonJson = '{"debug": true, "registry-mirrors": ["https://other", "https://reg.example.com:5000/"]}'
  t.same(JSON.parse(makeDaemonJson({ ...OPTIONS, daemonJson })), {
    debug: true,
    'registry-mirrors': ['https://reg.example.com:5000', 'https://other'],
  })
  for (const wrong of ['[]', 'secret stuff']) {
    t.throws(() => makeDaemonJson({ ...OPTIONS, daemonJson: wrong }), { name: 'Problem', message: /no JSON object/ })
  }
})

t.test('files with a login are secret, and every file has its place', async (t) => {
  const { files, commands } = handOutNodes(RUNTIMES, OPTIONS)
  for (const { path, text, secret = false, place } of files) {
    t.equal(secret, text.includes(AUTH) || text.includes('pass"word'), path)
    t.match(place, /^\/(?:etc|root)\//, path)
    t.ok(
      commands.some((line) => line.includes(path)),
      path,
    )
  }
  t.notMatch(commands.join('\n'), AUTH)
})

/** Runs the script with its places below a directory of the test's. */
function runScript(root: string, script: string): string {
  const moved = script.replaceAll(/(?<= |'|"|=)\/(?=etc\/|root\/)/g, `${root}/`)
  return execFileSync('sh', ['-c', 'exec 2>&1; sh -s'], { input: moved, encoding: 'utf8' })
}

t.test('the script puts the files in place, with their rights, and again without harm', async (t) => {
  const root = t.testdir({})
  const script = makeNodeScript(['podman', 'containerd', 'docker'], OPTIONS, { guarded: false })
  runScript(root, script)
  for (const { text, place = '', secret = false } of handOutNodes(['podman', 'containerd', 'docker'], OPTIONS).files) {
    const path = join(root, place)
    // The places inside the texts were moved with the script.
    t.equal(readFileSync(path, 'utf8').replaceAll(`${root}/`, '/'), text, place)
    t.equal(statSync(path).mode & 0o777, secret ? 0o600 : 0o644, place)
  }
  const again = makeNodeScript(
    ['podman', 'containerd'],
    { ...OPTIONS, login: { user: 'eve', password: 'x' } },
    { guarded: false },
  )
  runScript(root, again)
  t.match(
    readFileSync(join(root, 'etc/containerd/certs.d/_default/hosts.toml'), 'utf8'),
    Buffer.from('eve:x').toString('base64'),
  )
})

t.test('a file of somebody else’s is kept, and ours put beside it', async (t) => {
  const root = t.testdir({})
  const place = join(root, 'etc/docker/daemon.json')
  mkdirSync(dirname(place), { recursive: true })
  writeFileSync(place, '{"debug": true}')
  const said = runScript(root, makeNodeScript(['docker'], OPTIONS, { guarded: false }))
  t.match(said, `kept ${place}`)
  t.equal(readFileSync(place, 'utf8'), '{"debug": true}')
  t.match(readFileSync(`${place}.tarn`, 'utf8'), 'registry-mirrors')
})

t.test('the file that ours was laid over is replaced, and kept as it was; another one is not', async (t) => {
  const root = t.testdir({})
  const place = join(root, 'etc/docker/daemon.json')
  mkdirSync(dirname(place), { recursive: true })
  const daemonJson = '{"debug": true}'
  const script = makeNodeScript(['docker'], { ...OPTIONS, daemonJson }, { guarded: false })
  writeFileSync(place, '{"debug": false}')
  t.match(runScript(root, script), `kept ${place}`)
  t.equal(readFileSync(place, 'utf8'), '{"debug": false}')
  writeFileSync(place, daemonJson)
  for (const run of ['first', 'second']) {
    t.notMatch(runScript(root, script), `kept ${place}`, run)
    t.match(JSON.parse(readFileSync(place, 'utf8')), { debug: true, 'registry-mirrors': [`https://${REG.name}`] }, run)
    t.equal(readFileSync(`${place}.before-tarn`, 'utf8'), daemonJson, run)
  }
})

t.test('without sha256sum, by which files are told apart, nothing is put in place', async (t) => {
  const root = t.testdir({ etc: { docker: { 'daemon.json': '{"debug": true}' } } })
  const script = makeNodeScript(['docker'], OPTIONS, { guarded: false })
  let said: unknown
  try {
    runScript(root, `sha256sum() { return 127; }\n${script}`)
  } catch (error) {
    said = (error as { stdout?: unknown }).stdout
  }
  t.match(said, 'sha256sum is missing; nothing was changed')
  t.equal(readFileSync(join(root, 'etc/docker/daemon.json'), 'utf8'), '{"debug": true}')
})

t.test('guarded, each part runs only where its runtime is', async (t) => {
  const root = t.testdir({ etc: { rancher: { rke2: {} } } })
  runScript(root, makeNodeScript(['k3s', 'rke2'], OPTIONS, { guarded: true }))
  t.ok(existsSync(join(root, 'etc/rancher/rke2/registries.yaml')))
  t.notOk(existsSync(join(root, 'etc/rancher/k3s')))
})
