// A site without internet: a network namespace that leads nowhere, in it a registry with a name, TLS and a login that holds a
// release, and hosts whose /etc and /root are their own.
import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FixtureRelease } from '../../fixtures/release.ts'
import { buildRelease } from '../../fixtures/release.ts'
import { pushImages } from '../../fixtures/release-push.ts'
import { pushMirrored } from '../../helpers/mirrored-release.ts'
import { makeContainerStorage } from '../helpers/containers.ts'
import type { Machine, Output, RunOptions, Service } from '../helpers/machine.ts'
import type { NetworkNamespace } from '../helpers/netns.ts'
import { makeNetworkNamespace } from '../helpers/netns.ts'
import type { E2EContext } from '../helpers/suite.ts'

export const HOST = 'registry.site.example'
/** Where `oc adm release mirror` put the release. */
export const REPOSITORY = 'ocp4/openshift4'
export const COMPONENTS = 'quay.io/openshift-release-dev/ocp-v4.0-art-dev'

export interface Registry {
  /** `registry.site.example:5000` */
  readonly name: string
  readonly home: string
  readonly config: string
  readonly passwordFile: string
  start(): Promise<void>
  stop(): Promise<void>
}

export interface Site {
  readonly namespace: NetworkNamespace
  /** Runs `tarn ARGS`. */
  tarn(args: readonly string[], options?: RunOptions): Promise<Output>
  /** A registry at this port whose images `fill` pushes; it does not run yet. */
  makeRegistry(
    port: number,
    user: string,
    fill: (url: string) => Promise<void>,
    config?: (home: string) => object,
  ): Promise<Registry>
  /** Makes a home; what is there of one stays. */
  init(home: string, user: string, password: string): Promise<void>
  makeNode(): Promise<Node>
}

/** A host of the site, with nothing configured. */
export interface Node {
  /** Words that run a command there. */
  readonly prefix: readonly string[]
  /** Of podman there: its own images; logins and settings are where they are on any host. */
  readonly podman: Readonly<Record<string, string | undefined>>
  /** Its /etc, seen from here. */
  readonly etc: string
}

export async function makeSite(context: E2EContext): Promise<Site> {
  const { machine, node, checkout } = context
  const main = join(checkout, 'src', 'main.ts')
  const namespace = await makeNetworkNamespace(machine)
  // From a folder without a home: every command must say which one it means.
  const cwd = await machine.scratch('nowhere')
  const tarn: Site['tarn'] = (args, options = {}) => machine.run(node, [main, ...args], { cwd, ...options })
  const init: Site['init'] = async (home, user, password) => {
    await tarn(['init', home, '--host', HOST, '--user', user, '--password-stdin'], { input: `${password}\n` })
  }
  return {
    namespace,
    tarn,
    init,
    async makeRegistry(port, user, fill, more) {
      const folder = await machine.scratch('site')
      const home = join(folder, 'home')
      const passwordFile = join(folder, 'password')
      const password = `first-${port}-secret`
      await writeFile(passwordFile, password, { mode: 0o600 })
      await init(home, user, password)
      const filled = await context.startTarn({ data: join(home, 'data') })
      await fill(filled.url)
      await filled.stop()
      const config = join(home, more === undefined ? 'config.yml' : 'site.yml')
      if (more !== undefined) await writeFile(config, JSON.stringify(more(home)))
      let service: Service | undefined
      return {
        name: `${HOST}:${port}`,
        home,
        config,
        passwordFile,
        async start() {
          const args = [main, 'serve', config, '--listen', `${namespace.host}:${port}`, '--offline']
          service = machine.start(node, args, { prefix: namespace.prefix, cwd })
          await service.waitFor(/listening on/)
        },
        async stop() {
          await service?.stop()
        },
      }
    },
    makeNode: () => makeNode(machine, namespace),
  }
}

async function makeNode(machine: Machine, namespace: NetworkNamespace): Promise<Node> {
  const folder = await machine.scratch('node')
  const [etc, root] = [join(folder, 'etc'), join(folder, 'root')]
  await cp('/etc', etc, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !/^\/etc\/(?:docker|containerd|crio)(?:\/|$)/.test(path),
  })
  for (const name of ['registries.conf', 'registries.conf.d', 'certs.d']) {
    await rm(join(etc, 'containers', name), { recursive: true, force: true })
  }
  await writeFile(join(etc, 'hosts'), `127.0.0.1 localhost\n${namespace.host} ${HOST}\n`)
  await mkdir(root, { mode: 0o700 })
  const mounts = 'mount --bind "$0" /etc && mount --bind "$1" /root && echo ready && exec sleep infinity'
  const service = machine.start('unshare', ['--mount', 'sh', '-c', mounts, etc, root], { prefix: namespace.prefix })
  await service.waitFor(/ready/)
  const runtime = join(folder, 'run')
  await mkdir(runtime)
  return {
    prefix: ['nsenter', `--target=${service.pid}`, '--mount', '--net', '--'],
    podman: {
      ...(await makeContainerStorage(machine)),
      REGISTRY_AUTH_FILE: undefined,
      HOME: '/root',
      XDG_RUNTIME_DIR: runtime,
    },
    etc,
  }
}

export async function makeRelease(): Promise<FixtureRelease> {
  return buildRelease({ version: '4.14.1', host: 'quay.io', components: 4 })
}

/** The release as `oc` leaves it in one repository, and as the mirror keeps it under the names of quay.io. */
export async function pushRelease(release: FixtureRelease, url: string): Promise<void> {
  await pushMirrored(release, REPOSITORY, { url })
  const kept = release.placed.map((image) => ({ ...image, repository: `quay.io/${image.repository}` }))
  await pushImages(kept, { url })
}

/** Puts the files of `tarn cluster nodes` in place, as its own script does; says nothing else to the host. */
export async function configure(
  site: Site,
  machine: Machine,
  node: Node,
  registry: Registry,
  more: readonly string[] = [],
): Promise<void> {
  const made = await site.tarn(['cluster', 'nodes', registry.name, '--config', registry.config, ...more])
  await machine.run('sh', ['-s'], { prefix: node.prefix, input: made.stdout })
}
