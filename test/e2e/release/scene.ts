// What the rows of this suite share: the real registry:2 as the internet, with releases in it that are signed, and a Tarn
// with login and TLS that they go into; by tarn's own commands and by whichever `oc` is on this machine.
import { access, mkdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { buildRelease } from '../../fixtures/release.ts'
import type { FixtureRelease, ReleaseOptions } from '../../fixtures/release.ts'
import type { ReleaseKey } from '../../fixtures/release-key.ts'
import { makeReleaseKey } from '../../fixtures/release-key.ts'
import type { ReleaseSite } from '../../fixtures/release-site.ts'
import { startReleaseSite } from '../../fixtures/release-site.ts'
import type { Client } from '../../helpers/client.ts'
import { headerOf, openClient } from '../../helpers/client.ts'
import { makeDockerRegistryProgram } from '../helpers/docker-registry.ts'
import type { Output } from '../helpers/machine.ts'
import type { E2EContext } from '../helpers/suite.ts'
import type { Tarn } from '../helpers/tarn.ts'
import { startRegistry } from '../helpers/tarn.ts'

/** An `oc` of this machine, and which tags it writes. */
export interface Oc {
  readonly name: string
  readonly path: string
  readonly style: 'arch' | 'plain'
  /** How many more options of its time it takes. */
  readonly isOld: boolean
}

export interface Scene {
  readonly context: E2EContext
  readonly upstream: Tarn
  readonly tarn: Tarn
  readonly site: ReleaseSite
  readonly key: ReleaseKey
  /** The file with Tarn's login, for `oc -a`. */
  readonly authFile: string
  readonly client: Client
  /** Builds, signs and pushes a release to the upstream. */
  release(options: Pick<ReleaseOptions, 'version'> & Partial<ReleaseOptions>): Promise<FixtureRelease>
  /** Tarn's own command against the running Tarn. */
  run(args: readonly string[], codes?: readonly number[]): Promise<Output>
  oc(oc: Oc, args: readonly string[], codes?: readonly number[]): Promise<Output>
  /** Tags of a repository of Tarn with their digests, without those of sigstore. */
  tags(repository: string): Promise<Map<string, string>>
}

export async function setScene(context: E2EContext): Promise<Scene> {
  const { machine, checkout, node } = context
  const upstream = await startRegistry(machine, makeDockerRegistryProgram())
  const tarn = await context.startTarn({ tls: true, login: true })
  const site = await startReleaseSite()
  machine.onEnd(() => site.close())
  const key = await makeReleaseKey()
  const folder = await machine.scratch('oc')
  const { user, password } = tarn.login ?? { user: '', password: '' }
  const auth = Buffer.from(`${user}:${password}`).toString('base64')
  const authFile = join(folder, 'pull-secret.json')
  await writeFile(authFile, JSON.stringify({ auths: { [tarn.address]: { auth } } }), { mode: 0o600 })
  const client = openClient({
    url: tarn.url,
    username: user,
    password,
    ca: await readFile(join(tarn.certDir, 'ca.crt'), 'utf8'),
  })
  machine.onEnd(async () => client.close())
  const home = join(folder, 'home')
  await mkdir(home)
  return {
    context,
    upstream,
    tarn,
    site,
    key,
    authFile,
    client,
    async release(options) {
      const verification = { stores: [site.store], keys: [key.publicKey] }
      const directory = await machine.scratch('layers')
      const release = await buildRelease({ host: upstream.address, verification, directory, ...options })
      for (const { digest } of release.image.manifests)
        site.addSignature(digest, await key.signRelease(digest, release.reference))
      await release.push({ url: upstream.url })
      return release
    },
    run: (args, codes = [0]) =>
      machine.run(node, [join(checkout, 'src', 'main.ts'), ...args, '--config', tarn.configFile], { codes }),
    oc: (oc, args, codes = [0]) => machine.run(oc.path, args, { env: { HOME: home, KUBECONFIG: undefined }, codes }),
    async tags(repository) {
      const answer = await client.send('GET', `/v2/${repository}/tags/list`)
      const { tags = [] } = JSON.parse(answer.body.toString()) as { tags?: string[] }
      const found = new Map<string, string>()
      for (const tag of tags.filter((each) => !each.endsWith('.sig'))) {
        const head = await client.send('HEAD', `/v2/${repository}/manifests/${tag}`, { headers: { accept: '*/*' } })
        found.set(tag, headerOf(head, 'docker-content-digest'))
      }
      return found
    },
  }
}

/** Those that are named by OC and OC_OLD, or that are in the PATH as `oc` and `oc-4.4`. */
export async function findOcs(): Promise<readonly (Oc | { readonly name: string; readonly missing: string })[]> {
  const newer = await findProgram('OC', 'oc')
  const older = await findProgram('OC_OLD', 'oc-4.4')
  return [
    newer === undefined
      ? { name: 'oc', missing: 'there is no oc in the PATH, and OC names none' }
      : { name: 'oc', path: newer, style: 'arch', isOld: false },
    older === undefined
      ? { name: 'oc 4.4', missing: 'there is no oc-4.4 in the PATH, and OC_OLD names none' }
      : { name: 'oc 4.4', path: older, style: 'plain', isOld: true },
  ]
}

export async function findProgram(variable: string, command: string): Promise<string | undefined> {
  const named = process.env[variable]
  if (named !== undefined && named !== '') return named
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, command)
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path
  }
  return undefined
}

/** Throws unless both have the same entries; names the first that differs. */
export function requireSame(found: ReadonlyMap<string, string>, expected: ReadonlyMap<string, string>): void {
  for (const [tag, digest] of expected) {
    if (found.get(tag) !== digest) throw new Error(`${tag} is ${found.get(tag) ?? 'not there'}, expected ${digest}`)
  }
  const more = [...found.keys()].filter((tag) => !expected.has(tag))
  if (more.length > 0) throw new Error(`there is more than was expected: ${more.join(', ')}`)
}

export function requireText(text: string, ...parts: readonly (string | RegExp)[]): void {
  for (const part of parts) {
    const isThere = typeof part === 'string' ? text.includes(part) : part.test(text)
    if (!isThere) throw new Error(`${String(part)} is not in:\n${text}`)
  }
}

/** Throws unless all of the release is there but for its signature, which neither oc nor oc-mirror brings. */
export async function requireWhole(scene: Scene, image: string): Promise<void> {
  const { text } = await scene.run(['release', 'verify', image], [0, 4])
  // Of a release image that is gone it tells nothing but that.
  requireText(text, /^looked at [1-9]\d* components, [1-9]\d* manifests/m)
  const lost = text.split('\n').filter((line) => /^(?:missing|wrong|other)/.test(line))
  if (lost.length > 0) throw new Error(lost.join('\n'))
}
