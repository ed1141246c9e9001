// Private containerd and dockerd: their sockets, state and images lie in a scratch folder, they touch
// no bridge, no iptables rule and no file under /etc, and end by pid with the suite.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Machine } from './machine.ts'

export interface Containerd {
  folder: string
  /** Path of its socket. */
  socket: string
}

export interface Dockerd {
  /** Environment that points the docker command at it, with a home of its own for logins. */
  env: Record<string, string>
  /** Words that run a command where dockerd runs: same network, same /etc/docker. */
  prefix: readonly string[]
}

/** Starts containerd without its CRI and exotic snapshotters. */
export async function startContainerd(machine: Machine): Promise<Containerd> {
  const folder = await machine.scratch('containerd')
  const socket = join(folder, 'c.sock')
  const plugins = ['grpc.v1.cri', ...['btrfs', 'zfs', 'devmapper', 'aufs'].map((name) => `snapshotter.v1.${name}`)]
  const lines = [
    'version = 2',
    `root = "${folder}/root"`,
    `state = "${folder}/state"`,
    `disabled_plugins = ${JSON.stringify(plugins.map((name) => `io.containerd.${name}`))}`,
    `[grpc]\n  address = "${socket}"`,
    `[ttrpc]\n  address = "${socket}.ttrpc"`,
  ]
  await writeFile(join(folder, 'config.toml'), `${lines.join('\n')}\n`)
  const service = machine.start('containerd', ['--config', join(folder, 'config.toml')])
  await service.waitFor(/containerd successfully booted/)
  return { folder, socket }
}

/** Starts dockerd on a containerd. With `certsFor` (host:port → path of a CA), dockerd runs in a mount
 * namespace where /etc/docker is a folder of ours, so that the machine's own stays as it is. `settings` is its
 * daemon.json. */
export async function startDockerd(
  machine: Machine,
  containerd: Containerd,
  options: { prefix?: readonly string[]; certsFor?: Record<string, string>; settings?: object } = {},
): Promise<Dockerd> {
  const folder = await machine.scratch('dockerd')
  const host = `unix://${folder}/docker.sock`
  await writeFile(join(folder, 'daemon.json'), JSON.stringify(options.settings ?? {}))
  await mkdir(join(folder, 'home'))
  const words = [
    'dockerd',
    `--containerd=${containerd.socket}`,
    ...['data', 'exec'].map((name) => `--${name}-root=${folder}/${name}`),
    `--host=${host}`,
    `--pidfile=${folder}/docker.pid`,
    '--iptables=false',
    '--ip6tables=false',
    '--bridge=none',
    '--storage-driver=vfs',
    `--config-file=${folder}/daemon.json`,
  ]
  const certs = join(folder, 'etc', 'certs.d')
  await mkdir(certs, { recursive: true })
  for (const [address, ca] of Object.entries(options.certsFor ?? {})) {
    await mkdir(join(certs, address))
    await machine.run('cp', [ca, join(certs, address, 'ca.crt')])
  }
  const prefix = options.prefix ?? []
  const service =
    options.certsFor === undefined
      ? machine.start(words[0] ?? '', words.slice(1), { prefix })
      : machine.start(
          'unshare',
          ['--mount', 'sh', '-c', 'mount --bind "$0" /etc/docker && exec "$@"', join(folder, 'etc'), ...words],
          { prefix },
        )
  await service.waitFor(/API listen on/)
  const inside = ['nsenter', `--target=${service.pid}`, '--mount', '--net', '--']
  return {
    prefix: inside,
    env: {
      DOCKER_HOST: host,
      HOME: join(folder, 'home'),
      DOCKER_CONFIG: join(folder, 'home', '.docker'),
    },
  }
}
