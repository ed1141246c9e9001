// podman, buildah and skopeo: one library (containers/image), three command lines. Each has a storage of
// its own, so that nothing it pulls was there before.

import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from './clients-matrix.ts'
import { makeContainerStorage } from './helpers/containers.ts'
import { digestOf, isList, isZstd, type Fixture } from './helpers/image-fixture.ts'
import type { Machine, Output, RunOptions } from './helpers/machine.ts'
import type { Tarn } from './helpers/tarn.ts'

/** Options that tell these tools how to reach the registry; `side` is skopeo's src- or dest-. */
function reach(registry: Tarn, side = ''): string[] {
  return registry.tls ? [`--${side}cert-dir`, registry.certDir] : [`--${side}tls-verify=false`]
}

async function login(machine: Machine, tool: string, registry: Tarn, env: Record<string, string>): Promise<void> {
  if (registry.login === undefined) return
  const { user, password } = registry.login
  const args = ['login', ...reach(registry), '-u', user, '--password-stdin', registry.address]
  await machine.run(tool, args, { env, prefix: registry.prefix, input: password })
}

/** podman or buildah: push from a local storage, which holds layers uncompressed. */
export async function makeStorageClient(machine: Machine, tool: 'podman' | 'buildah', registry: Tarn): Promise<Client> {
  const env = await makeContainerStorage(machine)
  const folder = await machine.scratch(tool)
  const digestFile = join(folder, 'digest')
  await login(machine, tool, registry, env)
  const run = (args: readonly string[], options: RunOptions = {}): Promise<Output> =>
    machine.run(tool, args, { env, prefix: registry.prefix, ...options })
  const empty = (): Promise<Output> => run(['rmi', '-af'])

  const pushOptions = (fixture: Fixture): string[] => {
    const format = fixture.format.startsWith('oci') ? 'oci' : 'v2s2'
    return ['-q', ...reach(registry), '--format', format, '--digestfile', digestFile]
  }
  const pushOne = async (fixture: Fixture, id: string, image: string): Promise<void> => {
    const zstd = isZstd(fixture.format) ? ['--compression-format', 'zstd'] : []
    await run(['push', ...pushOptions(fixture), ...zstd, id, `docker://${image}`])
  }
  const pushList = async (fixture: Fixture, ids: readonly string[], image: string): Promise<void> => {
    const list = `localhost/${tool}-list:${fixture.format}`
    await run(['manifest', 'create', list])
    for (const [at, id] of ids.entries()) {
      // `manifest push` cannot compress with zstd, so such images are pushed first and listed from there.
      const remote = `docker://${image}-${at}`
      if (isZstd(fixture.format)) {
        await pushOne(fixture, id, `${image}-${at}`)
        await run(['manifest', 'add', ...reach(registry), list, remote])
      } else await run(['manifest', 'add', list, `containers-storage:${id}`])
    }
    await run(['manifest', 'push', '--all', ...pushOptions(fixture), list, `docker://${image}`])
  }
  return {
    name: tool,
    async push(fixture, image) {
      const ids: string[] = []
      for (const dir of fixture.childDirs) ids.push((await run(['pull', '-q', `dir:${dir}`])).text)
      if (isList(fixture.format)) await pushList(fixture, ids, image)
      else await pushOne(fixture, ids[0] ?? '', image)
      await empty()
      return (await readFile(digestFile, 'utf8')).trim()
    },
    async pull(image) {
      await run(['pull', '-q', ...reach(registry), `docker://${image}`])
      const digest =
        tool === 'podman'
          ? (await run(['image', 'inspect', '--format', '{{.Digest}}', image])).text
          : readDigest((await run(['images', '--json', image])).text)
      await empty()
      return digest
    },
    pullWithoutCa: (image) => run(['pull', '-q', `docker://${image}`], { codes: [0, 1, 125] }),
  }
}

/** The digest of the one image in the list that `buildah images --json` prints. */
function readDigest(text: string): string {
  const images: unknown = JSON.parse(text)
  const first: unknown = Array.isArray(images) ? images[0] : undefined
  if (typeof first === 'object' && first !== null && 'digest' in first) return String(first.digest)
  throw new Error(`no digest in ${text}`)
}

/** skopeo: copies bytes as they are, so the digest is the fixture's own. */
export async function makeSkopeo(machine: Machine, registry: Tarn): Promise<Client> {
  const env = await makeContainerStorage(machine)
  const folder = await machine.scratch('skopeo')
  const digestFile = join(folder, 'digest')
  await login(machine, 'skopeo', registry, env)
  const run = (args: readonly string[], options: RunOptions = {}): Promise<Output> =>
    machine.run('skopeo', args, { env, prefix: registry.prefix, ...options })
  const copyOut = (image: string, options: readonly string[], run_: RunOptions = {}): Promise<Output> =>
    run(['copy', '-q', '--all', ...options, `docker://${image}`, `dir:${join(folder, 'out')}`], run_)
  return {
    name: 'skopeo',
    async push(fixture, image) {
      const options = ['--all', '--preserve-digests', ...reach(registry, 'dest-'), '--digestfile', digestFile]
      await run(['copy', '-q', ...options, `dir:${fixture.dir}`, `docker://${image}`])
      return (await readFile(digestFile, 'utf8')).trim()
    },
    async pull(image) {
      await rm(join(folder, 'out'), { recursive: true, force: true })
      await copyOut(image, reach(registry, 'src-'))
      return digestOf(await readFile(join(folder, 'out', 'manifest.json')))
    },
    pullWithoutCa: (image) => copyOut(image, [], { codes: [0, 1] }),
  }
}

/** Reads the manifest bytes of `image` (HOST:PORT/NAME:TAG or …@DIGEST), for checks, not as a client. */
export async function makeManifestReader(
  machine: Machine,
  registry: Tarn,
): Promise<(image: string) => Promise<Buffer>> {
  const env = await makeContainerStorage(machine)
  await login(machine, 'skopeo', registry, env)
  return async (image) => {
    const args = ['inspect', '--raw', ...reach(registry), `docker://${image}`]
    return (await machine.run('skopeo', args, { env, prefix: registry.prefix })).stdout
  }
}
