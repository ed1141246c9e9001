// docker with its dockerd, and containerd with its ctr.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from './clients-matrix.ts'
import { startDockerd, type Containerd } from './helpers/containerd.ts'
import { isList } from './helpers/image-fixture.ts'
import type { Machine, Output, RunOptions } from './helpers/machine.ts'
import type { Tarn } from './helpers/tarn.ts'

const DIGEST = /sha256:[0-9a-f]{64}/

/** The first digest in a client's words; throws where there is none. */
function findDigest(text: string, pattern: RegExp = DIGEST): string {
  const match = text.match(pattern)
  if (match === null) throw new Error(`no digest in: ${text}`)
  return match[1] ?? match[0]
}

/** docker against a registry. With TLS the registry must listen outside 127/8 (see netns.ts), since
 * dockerd checks no certificate there. */
export async function makeDocker(machine: Machine, containerd: Containerd, registry: Tarn): Promise<Client> {
  const trusted = await startDockerd(machine, containerd, {
    prefix: registry.prefix,
    ...(registry.ca === undefined ? {} : { certsFor: { [registry.address]: registry.ca } }),
  })
  const run = (args: readonly string[], options: RunOptions = {}): Promise<Output> =>
    machine.run('docker', args, { env: trusted.env, prefix: trusted.prefix, ...options })
  if (registry.login !== undefined) {
    const { user, password } = registry.login
    await run(['login', '-u', user, '--password-stdin', registry.address], { input: password })
  }
  const insecure = registry.tls ? [] : ['--insecure']
  const pushOne = async (layer: Buffer | undefined, image: string): Promise<string> => {
    await run(['import', '-', image], { input: layer ?? '' })
    const pushed = await run(['push', image])
    await run(['rmi', '-f', image])
    return findDigest(pushed.text, /digest: (sha256:[0-9a-f]{64})/)
  }
  return {
    name: 'docker',
    async push(fixture, image) {
      if (!isList(fixture.format)) return pushOne(fixture.layers[0], image)
      const parts = [`${image}-amd64`, `${image}-arm64`]
      for (const [at, part] of parts.entries()) await pushOne(fixture.layers[at], part)
      await run(['manifest', 'create', ...insecure, image, ...parts])
      await run(['manifest', 'annotate', '--arch', 'arm64', image, parts[1] ?? ''])
      return findDigest((await run(['manifest', 'push', ...insecure, '--purge', image])).text)
    },
    async pull(image) {
      const pulled = await run(['pull', image])
      await run(['rmi', '-f', image])
      return findDigest(pulled.text, /Digest: (sha256:[0-9a-f]{64})/)
    },
    async pullWithoutCa(image) {
      const ignorant = await startDockerd(machine, containerd, {
        prefix: registry.prefix,
        certsFor: {},
      })
      return machine.run('docker', ['pull', image], {
        env: ignorant.env,
        prefix: ignorant.prefix,
        codes: [0, 1],
      })
    },
  }
}

/** containerd's ctr: keeps the bytes that it imports, so the digest is the fixture's own. */
export async function makeCtr(machine: Machine, containerd: Containerd, registry: Tarn): Promise<Client> {
  const trust = registry.ca === undefined ? ['--plain-http'] : await describeHost(machine, registry, registry.ca)
  const ignorant = await describeHost(machine, registry, undefined)
  const run = (args: readonly string[], options: RunOptions = {}): Promise<Output> =>
    machine.run('ctr', ['-a', containerd.socket, '-n', 'e2e', 'images', ...args], {
      prefix: registry.prefix,
      ...options,
    })
  const user = registry.login === undefined ? [] : ['-u', `${registry.login.user}:${registry.login.password}`]
  const take = async (image: string): Promise<string> => {
    const listed = await run(['ls', `name==${image}`])
    await run(['rm', '--sync', image])
    return findDigest(listed.text)
  }
  const pull = (image: string, options: readonly string[], limits: RunOptions = {}): Promise<Output> =>
    run(['pull', '--all-platforms', '--snapshotter', 'native', ...options, ...user, image], limits)
  return {
    name: 'ctr',
    async push(fixture, image) {
      const imported = 'localhost/e2e:fixture'
      await run(['import', '--all-platforms', '--no-unpack', '--base-name', 'localhost/e2e', fixture.archive])
      await run(['tag', '--force', imported, image])
      const push = ['push', ...trust, ...user, image]
      await run(push).catch((error: unknown) => {
        if (!String(error).includes(BROKEN_RPC)) throw error
        return run(push)
      })
      await run(['rm', '--sync', imported])
      return take(image)
    },
    async pull(image) {
      await pull(image, trust)
      return take(image)
    },
    pullWithoutCa: (image) => pull(image, ignorant, { codes: [0, 1] }),
  }
}

// What ctr of containerd 1.6 prints now and then when the stream between it and its own daemon breaks, with any registry
// (containerd#5734, nerdctl#984). A broken answer of the registry reads otherwise.
const BROKEN_RPC = 'rpc error: code = Internal desc = unexpected EOF'

/** A hosts.toml as containerd's documentation has it: without one, ctr speaks http to 127/8. */
async function describeHost(machine: Machine, registry: Tarn, ca: string | undefined): Promise<string[]> {
  const folder = await machine.scratch('hosts')
  await mkdir(join(folder, registry.address))
  const lines = [
    `server = "${registry.url}"`,
    `[host."${registry.url}"]`,
    '  capabilities = ["pull", "resolve", "push"]',
    ...(ca === undefined ? [] : [`  ca = "${ca}"`]),
  ]
  await writeFile(join(folder, registry.address, 'hosts.toml'), `${lines.join('\n')}\n`)
  return ['--hosts-dir', folder]
}
