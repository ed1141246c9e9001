// Brings what the suites need and the machine lacks: Debian packages by apt (root only), Go tools by
// `go install` into a cache folder. It never writes into the checkout and never starts a service.

import { access, chmod, constants, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Machine } from './helpers/machine.ts'

/** Command → the Debian package that has it. */
const PACKAGES: Record<string, string> = {
  podman: 'podman',
  skopeo: 'skopeo',
  buildah: 'buildah',
  docker: 'docker.io',
  dockerd: 'docker.io',
  containerd: 'containerd',
  ctr: 'containerd',
  runc: 'runc',
  'docker-registry': 'docker-registry',
  htpasswd: 'apache2-utils',
  'mkfs.xfs': 'xfsprogs',
  'mkfs.ext4': 'e2fsprogs',
  debootstrap: 'debootstrap',
  ip: 'iproute2',
  mount: 'mount',
  strace: 'strace',
  jq: 'jq',
  curl: 'curl',
  openssl: 'openssl',
  git: 'git',
  gpg: 'gpg',
  gpgconf: 'gpgconf',
  tar: 'tar',
  zstd: 'zstd',
  busybox: 'busybox',
  zip: 'zip',
  unzip: 'unzip',
  xargs: 'findutils',
}

/** Go command → where it is installed from. */
const GO_TOOLS: Record<string, string> = {
  cosign: 'github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5',
  conformance: 'github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111',
  crane: 'github.com/google/go-containerregistry/cmd/crane@v0.21.9',
  oras: 'oras.land/oras/cmd/oras@v1.3.3',
  regctl: 'github.com/regclient/regclient/cmd/regctl@v0.11.5',
  registry: 'github.com/distribution/distribution/v3/cmd/registry@v3.1.1',
}

const OLDEST_GO_MINOR = 24
const POLICY = '/usr/sbin/policy-rc.d'

/** Finds a command on $PATH or in Debian's sbin folders; undefined where there is none. */
export async function findCommand(command: string): Promise<string | undefined> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  for (const folder of folders) {
    const path = join(folder, command)
    if (folder !== '' && (await isExecutable(path))) return path
  }
  return undefined
}

/** Installs the Debian packages that are missing; throws with what to do when it cannot. */
export async function installPackages(machine: Machine, progress: (line: string) => void): Promise<void> {
  const missing = new Set<string>()
  for (const [command, debian] of Object.entries(PACKAGES)) {
    if ((await findCommand(command)) === undefined) missing.add(debian)
  }
  if (process.getuid?.() !== 0) {
    throw new Error(
      'the e2e suites need root: dockerd, network namespaces and loop mounts do. Run `npm run e2e` as root',
    )
  }
  if (missing.size === 0) return
  const wanted = [...missing].join(' ')
  if ((await findCommand('apt-get')) === undefined) {
    throw new Error(`missing and no apt-get here: install by hand what these Debian packages have: ${wanted}`)
  }
  progress(`apt-get install ${wanted}`)
  const undo = await forbidServices()
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  try {
    await machine.run('apt-get', ['update', '-q'], { env, timeout: 600_000 })
    const install = ['install', '-q', '-y', '--no-install-recommends', ...missing]
    await machine.run('apt-get', install, { env, timeout: 1_200_000 })
  } finally {
    await undo()
  }
}

/** Gives the path of a Go tool, installing it when it is not in the cache; undefined without Go 1.24.
 * $TARN_E2E_GO_TOOLS may name a folder with tools built before. Throws when `go install` fails. */
export async function provideGoTool(
  machine: Machine,
  command: string,
  progress: (line: string) => void,
): Promise<string | undefined> {
  const source = GO_TOOLS[command]
  if (source === undefined) throw new Error(`no Go tool is known as ${command}`)
  const built = process.env['TARN_E2E_GO_TOOLS']
  if (built !== undefined && (await isExecutable(join(built, command)))) return join(built, command)
  if (!(await hasGo(machine))) return undefined
  const version = source.slice(source.lastIndexOf('@') + 1)
  const cache = join(process.env['XDG_CACHE_HOME'] ?? tmpdir(), 'tarn-e2e-go-tools', `${command}-${version}`)
  const binary = join(cache, command)
  if (await isExecutable(binary)) return binary
  progress(`go install ${source}`)
  await mkdir(cache, { recursive: true })
  await machine.run('go', ['install', source], { env: { GOBIN: cache }, timeout: 900_000 })
  return binary
}

async function hasGo(machine: Machine): Promise<boolean> {
  if ((await findCommand('go')) === undefined) return false
  const version = (await machine.run('go', ['env', 'GOVERSION'])).text
  const [, major, minor] = version.match(/^go(\d+)\.(\d+)/) ?? []
  return Number(major) > 1 || Number(minor) >= OLDEST_GO_MINOR
}

/** A package must not start its daemon: docker-registry and dockerd would listen on all interfaces. */
async function forbidServices(): Promise<() => Promise<void>> {
  const present = await access(POLICY).then(
    () => true,
    () => false,
  )
  if (present) return async () => undefined
  await writeFile(POLICY, '#!/bin/sh\nexit 101\n')
  await chmod(POLICY, 0o755)
  return () => rm(POLICY, { force: true })
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
