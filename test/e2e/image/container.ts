// Builds the image and runs containers of it with podman and runc, in a storage of the suite's own. Ports are on
// loopback and chosen by podman. Every container ends with the suite.
import { randomBytes } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeContainerStorage } from '../helpers/containers.ts'
import { makeDockerRegistryProgram } from '../helpers/docker-registry.ts'
import type { Output } from '../helpers/machine.ts'
import type { E2EContext } from '../helpers/suite.ts'
import { USER } from '../helpers/tarn.ts'

export const IMAGE = 'localhost/tarn:e2e'
const BASE = 'localhost/tarn-base:e2e'

export interface Image {
  /** podman, in the storage that holds the image. */
  podman(args: readonly string[], options?: { input?: string; codes?: readonly number[] }): Promise<Output>
  readonly env: Record<string, string>
}

/** The handbook's /opt/registry, with `data` in it. */
export interface Home {
  readonly folder: string
  readonly password: string
}

export interface Container {
  readonly name: string
  /** `127.0.0.1:PORT` */
  readonly address: string
}

/** Follows docs/image.md: base, staging folder, build. */
export async function buildImage(context: E2EContext): Promise<Image> {
  const { machine, node, checkout } = context
  const env = await makeContainerStorage(machine)
  const folder = await machine.scratch('image')
  const podman: Image['podman'] = (args, options = {}) => machine.run('podman', args, { env, ...options })
  const [base, staging] = [join(folder, 'base.tar'), join(folder, 'staging')]
  await machine.run(node, [join(checkout, 'scripts/make-base-image.mjs'), base])
  await machine.run(node, [join(checkout, 'scripts/stage-image.mjs'), staging])
  await podman(['import', '-q', base, BASE])
  const flags = ['-q', '--isolation', 'chroot', '--pull-never', '--build-arg', `BASE=${BASE}`]
  await machine.run('buildah', ['bud', ...flags, '-t', IMAGE, '-f', join(checkout, 'Dockerfile'), staging], {
    env,
  })
  return { podman, env }
}

/** Makes auth/htpasswd, certs/example.com.{crt,key} and data/ with Debian's own tools, owned by root. */
export async function makeHome({ machine }: E2EContext): Promise<Home> {
  const folder = join(await machine.scratch('registry'), 'registry')
  const password = randomBytes(12).toString('hex')
  await makeDockerRegistryProgram().makeHome(machine, folder, ['localhost', '127.0.0.1'], password)
  for (const kind of ['crt', 'key'])
    await rename(join(folder, `certs/server.${kind}`), join(folder, `certs/example.com.${kind}`))
  // Another user's container must be able to go through the scratch folder.
  await machine.run('chmod', ['0755', join(folder, '..')])
  return { folder, password }
}

export function dataOf(home: Home): string {
  return join(home.folder, 'data')
}

/** Starts `podman run … -d IMAGE` and waits until it serves; it is removed with its volumes at the end. */
export async function runContainer(
  context: E2EContext,
  image: Image,
  words: readonly string[],
  args: readonly string[] = [],
): Promise<Container> {
  const name = await createContainer(context, image, [...words, '-p', '127.0.0.1::5000'], args)
  await waitForLog(context, image, name, /listening on/)
  const { text } = await image.podman(['port', name, '5000'])
  return { name, address: text.split('\n')[0] ?? '' }
}

/** Resolves when the container has printed `pattern`; throws when it ended without, or after a minute. */
export async function waitForLog({ machine }: E2EContext, image: Image, name: string, pattern: RegExp): Promise<void> {
  const logs = machine.start('podman', ['logs', '-f', name], { env: image.env })
  await logs.waitFor(pattern).finally(() => logs.stop())
}

/** The same without waiting: for containers that are to end by themselves. */
export async function createContainer(
  { machine }: E2EContext,
  image: Image,
  words: readonly string[],
  args: readonly string[],
): Promise<string> {
  const name = `mirror-registry-${randomBytes(4).toString('hex')}`
  machine.onEnd(async () => void (await image.podman(['rm', '-f', '-v', '-i', name])))
  await image.podman(['run', '--name', name, ...words, '-d', IMAGE, ...args])
  return name
}

/** The words of the handbook's line for this home; `volume` adds options to each -v. */
export function handbookWords(home: Home, volume?: string): string[] {
  const mount = (from: string, to: string, options: readonly string[]): string[] => {
    const all = [...options, ...(volume === undefined ? [] : [volume])].join(',')
    return ['-v', `${join(home.folder, from)}:${to}${all === '' ? '' : `:${all}`}`]
  }
  const settings = [
    'REGISTRY_AUTH=htpasswd',
    'REGISTRY_AUTH_HTPASSWD_REALM=Registry Realm',
    'REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd',
    'REGISTRY_HTTP_TLS_CERTIFICATE=/certs/example.com.crt',
    'REGISTRY_HTTP_TLS_KEY=/certs/example.com.key',
  ]
  return [
    ...mount('data', '/var/lib/registry', []),
    ...mount('auth', '/auth', ['z']),
    ...mount('certs', '/certs', ['z']),
    ...settings.flatMap((setting) => ['-e', setting]),
  ]
}

export function runHandbook(
  context: E2EContext,
  image: Image,
  home: Home,
  way: { words: readonly string[]; volume?: string },
): Promise<Container> {
  return runContainer(context, image, [...way.words, ...handbookWords(home, way.volume)])
}

/** podman login, push, remove, pull: over TLS with the home's CA and password; the digest must come back. */
export async function pushAndPull(
  context: E2EContext,
  image: Image,
  home: Home,
  { address }: Container,
): Promise<void> {
  const certs = join(home.folder, 'client-certs')
  await mkdir(certs, { recursive: true })
  await context.machine.run('cp', [join(home.folder, 'certs/ca.crt'), certs])
  const secure = ['--cert-dir', certs]
  await image.podman(['login', ...secure, '-u', USER, '--password-stdin', address], {
    input: home.password,
  })
  const target = `${address}/team/hello:1`
  await writeFile(join(home.folder, 'hello.txt'), randomBytes(64).toString('hex'))
  const layer = await context.machine.run('tar', ['-cf', '-', '-C', home.folder, 'hello.txt'])
  await writeFile(join(home.folder, 'hello.tar'), layer.stdout)
  await image.podman(['import', '-q', join(home.folder, 'hello.tar'), target])
  await image.podman(['push', '-q', ...secure, '--digestfile', join(home.folder, 'digest'), target])
  const { text: pushed } = await context.machine.run('cat', [join(home.folder, 'digest')])
  await image.podman(['rmi', target])
  await image.podman(['pull', '-q', ...secure, `${address}/team/hello@${pushed}`])
  await image.podman(['pull', '-q', ...secure, target])
  const { text: pulled } = await image.podman(['image', 'inspect', '--format', '{{.Digest}}', target])
  if (pulled !== pushed) throw new Error(`pulled ${pulled}, pushed ${pushed}`)
  await image.podman(['logout', address])
  await image.podman(['rmi', '-f', target])
}

/** `podman stop` must end it by SIGTERM with exit code 0: process 1 gets no second chance. */
export async function stopContainer(_context: E2EContext, image: Image, { name }: Container): Promise<void> {
  await image.podman(['stop', '-t', '10', name])
  const { text } = await image.podman(['inspect', '--format', '{{.State.ExitCode}}', name])
  if (text !== '0') throw new Error(`exit code ${text} after podman stop`)
}
