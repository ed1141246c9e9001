// podman, dockerd and containerd as their documentation configures a mirror, for images of three registries by their own
// names: first with the upstreams there, then with the upstreams gone and the clients empty. All of it lies in a network
// namespace that leads nowhere, so that no client can go round the mirror.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openClient } from '../../helpers/client.ts'
import { startContainerd, startDockerd } from '../helpers/containerd.ts'
import { makeContainerStorage } from '../helpers/containers.ts'
import { makeDockerRegistryProgram } from '../helpers/docker-registry.ts'
import type { Machine } from '../helpers/machine.ts'
import type { NetworkNamespace } from '../helpers/netns.ts'
import { makeNetworkNamespace } from '../helpers/netns.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Tarn } from '../helpers/tarn.ts'
import { startRegistry } from '../helpers/tarn.ts'
import type { Image } from './images.ts'
import { makeImage, makeIndex, makeLayer, pushImage, pushIndex } from './images.ts'
import { must, waitForTag, waitUntil } from './scene.ts'

/** The image of each registry: its name as people write it, and as the registry itself spells it. */
const IMAGES = {
  'docker.io': { name: 'docker.io/alpine:3', repository: 'library/alpine', tag: '3' },
  'quay.io': { name: 'quay.io/team/app:1', repository: 'team/app', tag: '1' },
  'registry.k8s.io': { name: 'registry.k8s.io/pause:3.9', repository: 'pause', tag: '3.9' },
} as const
type Host = keyof typeof IMAGES
const HOSTS = Object.keys(IMAGES) as Host[]

interface Field {
  readonly namespace: NetworkNamespace
  readonly tarn: Tarn
  readonly digests: Readonly<Record<Host, string>>
  /** Ends all upstreams. */
  readonly stop: () => Promise<void>
}

/** A client that pulls by the name that people write into a store that holds nothing, and tells the digests of it. */
interface Puller {
  readonly name: string
  readonly hosts: readonly Host[]
  readonly pull: (image: string) => Promise<string>
}

export async function checkEngines(context: E2EContext, recorder: Recorder): Promise<void> {
  const { machine } = context
  const field = await setField(context)
  const pullers = [
    await makePodman(machine, field),
    await makeDockerd(machine, field),
    await makeContainerd(machine, field),
  ]
  for (const { name, hosts, pull } of pullers) {
    await recorder.check(`${name}: ${hosts.join(', ')} with the upstreams there`, async () => {
      for (const host of hosts) await mustPull(pull, host, field)
    })
  }
  for (const host of HOSTS) await waitForTag(field.tarn, `${host}/${IMAGES[host].repository}`, IMAGES[host].tag)
  // dockerd names no registry: its mirror is a repository of its own.
  await waitForTag(field.tarn, IMAGES['docker.io'].repository, IMAGES['docker.io'].tag)
  await field.stop()
  for (const { name, hosts, pull } of pullers) {
    await recorder.check(`${name}: ${hosts.join(', ')} with the upstreams gone`, async () => {
      for (const host of hosts) await mustPull(pull, host, field)
    })
  }
}

async function mustPull(pull: Puller['pull'], host: Host, { digests }: Field): Promise<void> {
  const got = await pull(IMAGES[host].name)
  must(got.includes(digests[host]), `${IMAGES[host].name} is ${got}, not ${digests[host]}`)
}

/** Three registry:2 and a Tarn that mirrors them; for dockerd docker.io also without a prefix. */
async function setField(context: E2EContext): Promise<Field> {
  const { machine } = context
  const namespace = await makeNetworkNamespace(machine)
  const program = makeDockerRegistryProgram()
  const digests: Record<string, string> = {}
  const upstreams: Record<string, Tarn> = {}
  for (const host of HOSTS) {
    // Filled from here, then served in there.
    const outside = await startRegistry(machine, program)
    digests[host] = await fill(outside.url, host)
    await outside.stop()
    upstreams[host] = await startRegistry(machine, program, { ...namespace, home: outside.home, data: outside.data })
  }
  const urlOf = (host: Host): string => upstreams[host]?.url ?? ''
  const tarn = await context.startTarn({
    ...namespace,
    config: {
      proxy: { remoteurl: urlOf('docker.io') },
      mirror: {
        anonymous: true,
        upstreams: HOSTS.map((host) => ({ host, url: [urlOf(host)], insecure: true })),
      },
    },
  })
  const stop = async (): Promise<void> => {
    for (const each of Object.values(upstreams)) await each.stop()
  }
  return { namespace, tarn, digests: digests as Record<Host, string>, stop }
}

async function fill(url: string, host: Host): Promise<string> {
  const client = openClient({ url })
  const { repository, tag } = IMAGES[host]
  const make = (architecture: string): Image =>
    makeImage([makeLayer('shared', 30_000), makeLayer(architecture, 30_000)], architecture)
  try {
    if (host === 'quay.io') {
      const image = make('amd64')
      await pushImage(client, repository, image, tag)
      return image.manifest.digest
    }
    const index = makeIndex({ amd64: make('amd64'), arm64: make('arm64') })
    await pushIndex(client, repository, index, tag)
    return index.manifest.digest
  } finally {
    client.close()
  }
}

async function makePodman(machine: Machine, { namespace, tarn }: Field): Promise<Puller> {
  const file = join(await machine.scratch('registries'), 'registries.conf')
  const blocks = HOSTS.map(
    (host) =>
      `[[registry]]\nprefix = "${host}"\nlocation = "${host}"\n[[registry.mirror]]\nlocation = "${tarn.address}/${host}"\ninsecure = true\n`,
  )
  await writeFile(file, blocks.join('\n'))
  const env = { ...(await makeContainerStorage(machine)), CONTAINERS_REGISTRIES_CONF: file }
  const run = (args: readonly string[]) => machine.run('podman', args, { env, prefix: namespace.prefix })
  return {
    name: 'podman with mirrors in registries.conf',
    hosts: HOSTS,
    async pull(image) {
      await run(['pull', '-q', image])
      // Those of the index and of the image in it, in no order.
      const digests = await run(['image', 'inspect', '--format', '{{.RepoDigests}}', image])
      await run(['rmi', '-af'])
      return digests.text
    },
  }
}

async function makeDockerd(machine: Machine, { namespace, tarn }: Field): Promise<Puller> {
  const dockerd = await startDockerd(machine, await startContainerd(machine), {
    prefix: namespace.prefix,
    settings: { 'registry-mirrors': [tarn.url], 'insecure-registries': [tarn.address] },
  })
  const run = (args: readonly string[]) => machine.run('docker', args, { env: dockerd.env, prefix: dockerd.prefix })
  return {
    name: 'dockerd with registry-mirrors',
    hosts: ['docker.io'],
    async pull(image) {
      const pulled = await run(['pull', image])
      await run(['rmi', '-f', image])
      return /Digest: (sha256:[0-9a-f]{64})/.exec(pulled.text)?.[1] ?? pulled.text
    },
  }
}

async function makeContainerd(machine: Machine, { namespace, tarn }: Field): Promise<Puller> {
  const containerd = await startContainerd(machine)
  const folder = await machine.scratch('hosts')
  await mkdir(join(folder, '_default'))
  await writeFile(
    join(folder, '_default', 'hosts.toml'),
    `[host."${tarn.url}"]\n  capabilities = ["pull", "resolve"]\n`,
  )
  const run = (args: readonly string[]) =>
    machine.run('ctr', ['-a', containerd.socket, '-n', 'e2e', 'images', ...args], { prefix: namespace.prefix })
  return {
    name: 'containerd with one _default/hosts.toml',
    hosts: HOSTS,
    async pull(image) {
      const full = image.replace(/^docker\.io\/(\w+:)/, 'docker.io/library/$1')
      await run(['pull', '--snapshotter', 'native', '--hosts-dir', folder, full])
      const listed = (await run(['ls', `name==${full}`])).text
      await run(['rm', '--sync', full])
      // Its store keeps what it has until the content is collected too.
      await waitUntil('containerd forgot the image', async () => !(await run(['ls', '-q'])).text.includes(full))
      return /sha256:[0-9a-f]{64}/.exec(listed)?.[0] ?? listed
    },
  }
}
