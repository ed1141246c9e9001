// Hosts that have nothing but the files of `tarn cluster nodes`, the upstreams unreachable.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeLayer } from '../../fixtures/release-content.ts'
import { makeImage, TYPES } from '../../fixtures/release-images.ts'
import { pushImages } from '../../fixtures/release-push.ts'
import { startContainerd } from '../helpers/containerd.ts'
import type { Machine } from '../helpers/machine.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { must } from '../mirror/scene.ts'
import type { Node, Site } from './site.ts'
import { COMPONENTS, configure, makeRelease, makeSite, pushRelease } from './site.ts'

export async function checkNodes(context: E2EContext, recorder: Recorder): Promise<void> {
  const { machine } = context
  const site = await makeSite(context)
  const release = await makeRelease()
  const registry = await site.makeRegistry(5000, 'david', (url) => pushRelease(release, url))
  await registry.start()
  const login = ['--user', 'david', '--password-file', registry.passwordFile]
  const node = await site.makeNode()
  await configure(site, machine, node, registry, login)
  const image = `${COMPONENTS}@${release.components[0]?.digest}`
  const last = `${COMPONENTS}@${release.components.at(-1)?.digest}`

  await recorder.check('podman pulls a component of quay.io by digest from the registry', async () => {
    const run = (args: readonly string[]) => machine.run('podman', args, { env: node.podman, prefix: node.prefix })
    await run(['pull', '-q', image])
    const listed = await run(['images', '--digests', '--format', '{{.Repository}}@{{.Digest}}'])
    must(listed.text.includes(image), `podman has ${listed.text}`)
  })
  await recorder.check('podman pulls the release of quay.io by tag, where its path was kept', async () => {
    await machine.run('podman', ['pull', '-q', release.reference], { env: node.podman, prefix: node.prefix })
  })
  await recorder.check('skopeo reads a component of quay.io by digest from the registry', async () => {
    const asked = await machine.run('skopeo', ['inspect', '--no-tags', `docker://${last}`], {
      env: node.podman,
      prefix: node.prefix,
    })
    must(asked.text.includes(release.components.at(-1)?.digest ?? '?'), asked.text)
  })
  await recorder.check('containerd pulls a component of quay.io by digest from the registry', async () => {
    const { socket } = await startContainerd(machine)
    const words = ['-a', socket, '-n', 'e2e', 'images']
    const pull = [...words, 'pull', '--snapshotter', 'native', '--hosts-dir', '/etc/containerd/certs.d', image]
    await machine.run('ctr', pull, { prefix: node.prefix })
    const listed = await machine.run('ctr', [...words, 'ls', '-q'])
    must(listed.text.includes(image), listed.text)
  })
  await recorder.check('docker pulls a component by its full name here, with certificate and login', async () => {
    const docker = await startDockerOn(machine, node)
    const name = `${registry.name}/${image}`
    await docker(['pull', '-q', name])
    const inspected = await docker(['image', 'inspect', '--format', '{{.RepoDigests}}', name])
    must(inspected.includes(name), inspected)
  })
  await recorder.check(
    'docker mirrors nothing but Docker Hub: a name of quay.io it asks for at quay.io alone',
    async () => {
      const docker = await startDockerOn(machine, node)
      const failed = await docker(['pull', '-q', image]).then(
        () => undefined,
        (error: Error) => error.message,
      )
      must(failed !== undefined && failed.includes('https://quay.io/v2/'), `docker: ${failed ?? 'pulled'}`)
    },
  )
  await recorder.check('dockerd takes the daemon.json, also laid over one that the node has', async () => {
    // The dockerd of before Docker 23 has no --validate: it takes the file by starting with it.
    const { text: help } = await machine.run('dockerd', ['--help'])
    const folder = await machine.scratch('daemon-json')
    const before = join(folder, 'before.json')
    await writeFile(before, JSON.stringify({ 'log-driver': 'json-file', 'registry-mirrors': ['https://old.example'] }))
    const args = ['--runtime', 'docker', '--out', folder, '--config', registry.config, '--daemon-json', before]
    await site.tarn(['cluster', 'nodes', registry.name, ...args])
    const made = join(folder, 'docker', 'daemon.json')
    const text = await readFile(made, 'utf8')
    must(text.includes('json-file') && text.includes('https://old.example'), text)
    if (help.includes('--validate')) {
      await machine.run('dockerd', ['--validate', '--config-file', made])
      await writeFile(before, '{"registry-mirror": ["https://wrong.example"]}')
      const refused = await machine.run('dockerd', ['--validate', '--config-file', before], { codes: [1] })
      must(refused.stderr.includes('registry-mirror'), refused.stderr)
      return
    }
    const other = await site.makeNode()
    await mkdir(join(other.etc, 'docker'), { recursive: true })
    await writeFile(join(other.etc, 'docker', 'daemon.json'), text)
    const docker = await startDockerOn(machine, other)
    const mirrors = await docker(['info', '--format', '{{json .RegistryConfig.Mirrors}}'])
    must(mirrors.includes(registry.name) && mirrors.includes('old.example'), mirrors)
  })
  await registry.stop()
  await checkHub(context, recorder, site)
}

/** dockerd mirrors Docker Hub only, asks without a path and shows no login. */
async function checkHub({ machine }: E2EContext, recorder: Recorder, site: Site): Promise<void> {
  const layer = await makeLayer('tool', 20_000, TYPES.docker.layer)
  const tool = makeImage({ kind: 'docker', architecture: 'amd64', layers: [layer], labels: {} })
  const fill = (url: string): Promise<void> =>
    pushImages([{ repository: 'library/tool', image: tool, tags: ['1'] }], { url })
  const hub = await site.makeRegistry(5001, 'david', fill, (home) => ({
    version: 0.1,
    storage: { filesystem: { rootdirectory: join(home, 'data') } },
    http: {
      addr: ':5001',
      tls: { certificate: join(home, 'certs', 'server.crt'), key: join(home, 'certs', 'server.key') },
    },
    auth: { htpasswd: { realm: 'site', path: join(home, 'auth', 'htpasswd') } },
    access: { anonymous: 'pull' },
    proxy: { remoteurl: 'https://registry-1.docker.io' },
    mirror: { upstreams: 'well-known' },
  }))
  await hub.start()
  await recorder.check('docker pulls an image of Docker Hub by its daemon.json from the registry', async () => {
    const node = await site.makeNode()
    await configure(site, machine, node, hub, ['--runtime', 'docker'])
    const docker = await startDockerOn(machine, node)
    await docker(['pull', '-q', 'tool:1'])
    const inspected = await docker(['image', 'inspect', '--format', '{{.RepoDigests}}', 'tool:1'])
    must(inspected.includes(tool.top.digest), inspected)
  })
  await hub.stop()
}

/** Starts dockerd on the host with the settings that lie in its /etc/docker; gives the docker command there. */
async function startDockerOn(
  machine: Machine,
  { prefix }: Node,
): Promise<(args: readonly string[]) => Promise<string>> {
  const folder = await machine.scratch('dockerd')
  const { socket } = await startContainerd(machine)
  const host = `unix://${folder}/docker.sock`
  const words = [
    `--containerd=${socket}`,
    ...['data', 'exec'].map((name) => `--${name}-root=${folder}/${name}`),
    `--host=${host}`,
    `--pidfile=${folder}/docker.pid`,
    '--iptables=false',
    '--ip6tables=false',
    '--bridge=none',
    '--storage-driver=vfs',
  ]
  await mkdir(join(folder, 'exec'))
  const service = machine.start('dockerd', words, { prefix })
  await service.waitFor(/API listen on/)
  const env = { DOCKER_HOST: host, HOME: '/root', DOCKER_CONFIG: undefined }
  return async (args) => (await machine.run('docker', args, { env, prefix })).text
}
