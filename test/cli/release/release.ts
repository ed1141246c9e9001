import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import type { FixtureRelease, ReleaseOptions } from '../../fixtures/release.ts'
import { buildRelease } from '../../fixtures/release.ts'
import { makeReleaseKey } from '../../fixtures/release-key.ts'
import type { ReleaseSite } from '../../fixtures/release-site.ts'
import { startReleaseSite } from '../../fixtures/release-site.ts'
import type { Home } from '../../helpers/home.ts'
import { findSocket, makeHome } from '../../helpers/home.ts'
import { makeDirectory, startTarn } from '../../helpers/server.ts'
import type { Ran } from '../../helpers/tarn.ts'
import { runTarn } from '../../helpers/tarn.ts'

const key = await makeReleaseKey()

interface Scene {
  readonly upstream: string
  readonly site: ReleaseSite
  readonly release: FixtureRelease
  readonly home: Home
  readonly run: (...args: readonly string[]) => Promise<Ran>
}

/** An upstream with a signed release, and a home of a registry that nobody serves. */
async function setUp(t: Test, options: Partial<ReleaseOptions> = {}, config = ''): Promise<Scene> {
  const upstream = await startTarn(t)
  const site = await startReleaseSite()
  t.teardown(() => site.close())
  const host = new URL(upstream.url).host
  const verification = { stores: [site.store], keys: [key.publicKey] }
  const release = await buildRelease({
    version: '4.4.10',
    host,
    components: 4,
    largestBytes: 300_000,
    verification,
    ...options,
  })
  await release.push({ url: upstream.url })
  for (const { digest } of release.image.manifests)
    site.addSignature(digest, await key.signRelease(digest, release.reference))
  site.addNode({
    version: release.version,
    payload: `${host}/${release.releaseRepository}@${release.digest}`,
    channels: ['stable-4.4'],
  })
  const home = makeHome(t, config)
  const run = (...args: readonly string[]): Promise<Ran> => runTarn(home.directory, ['release', ...args])
  return { upstream: host, site, release, home, run }
}

const listTags = (home: Home, repository = 'ocp4/openshift4'): string[] =>
  readdirSync(join(home.data, 'docker/registry/v2/repositories', repository, '_manifests/tags')).toSorted()

t.test('a release is mirrored, looked into and verified from the command line', async (t) => {
  const { upstream, release, home, run } = await setUp(t)
  const mirrored = await run('mirror', '--plain-http', upstream, release.reference, 'ocp4/openshift4')
  t.equal(mirrored.code, 0, mirrored.stderr)
  t.same(listTags(home), [...release.expectedTags('plain').keys()].toSorted())
  t.match(mirrored.stdout, /\nSuccess\nUpdate image: {2}localhost:5000\/ocp4\/openshift4:4\.4\.10\nMirror prefix: /)
  t.match(mirrored.stdout, /imageContentSources:\n- mirrors:\n {2}- localhost:5000\/ocp4\/openshift4\n/)
  t.match(mirrored.stdout, /is signed: verifier-public-key-redhat/)
  const hex = release.digest.slice(7)
  const stored = join(home.data, '.tarn/state/signatures', `sha256=${hex}`, 'signature-1')
  t.ok(readFileSync(stored).length > 100)

  const info = await run('info', 'ocp4/openshift4:4.4.10')
  t.equal(info.code, 0, info.stderr)
  t.match(info.stdout, new RegExp(`Name: {11}4\\.4\\.10\nDigest: {9}${release.digest}\n`))
  for (const { name, digest } of release.components) t.match(info.stdout, new RegExp(`  ${name} +${digest}`))

  const verified = await run('verify', 'ocp4/openshift4:4.4.10')
  t.equal(verified.code, 0, verified.stdout)
  t.match(verified.stdout, /everything of it is here/)
  const removed = await runTarn(home.directory, [
    'rm',
    '--yes',
    'ocp4/openshift4:4.4.10-aws-machine-controllers',
    'ocp4/openshift4:4.4.10-cli',
  ])
  t.equal(removed.code, 0, removed.stderr)
  const after = await run('verify', 'ocp4/openshift4:4.4.10')
  t.equal(after.code, 4)
  t.match(after.stdout, /cli/)
  await runTarn(home.directory, ['rm', '--yes', 'ocp4/openshift4:4.4.10'])
  const lost = await run('verify', 'ocp4/openshift4:4.4.10')
  t.equal(lost.code, 4, 'a release image that is gone is what verify looks for')
})

t.test('through a running registry, by a channel of the update service', async (t) => {
  const { upstream, site, release, home, run } = await setUp(t)
  const serving = await home.serve({ XDG_RUNTIME_DIR: home.directory })
  await findSocket(home.data)
  const channel = ['--channel', 'stable-4.4', '--version', '4.4.10', '--graph-url', site.graph]
  const args = ['mirror', ...channel, '--plain-http', upstream, '--tag-style', 'arch', 'ocp4/openshift4']
  const mirrored = await runTarn(home.directory, ['release', ...args], '', { XDG_RUNTIME_DIR: home.directory })
  t.equal(mirrored.code, 0, mirrored.stderr)
  t.same(listTags(home), [...release.expectedTags('arch').keys()].toSorted())
  const answer = await fetch(
    `${serving.url}/signatures/openshift/release/sha256=${release.digest.slice(7)}/signature-1`,
  )
  t.equal(answer.status, 200, 'clusters are served its signature')
  const wrong = await run('info', '--channel', 'stable-4.4', '--version', '4.4.11', '--graph-url', site.graph)
  t.equal(wrong.code, 1)
  t.match(wrong.stderr, /has no release 4\.4\.11\nhint: the newest there: 4\.4\.10/)
})

t.test(
  'a release goes into another registry and into a directory as oc writes it, and comes out of that again',
  async (t) => {
    const { upstream, release, home, run } = await setUp(t, { version: '4.18.3', sigstore: true })
    const other = await startTarn(t)
    const host = new URL(other.url).host
    const plain = ['--plain-http', upstream, '--plain-http', host]
    const pushed = await run('mirror', ...plain, release.reference, `${host}/ocp4/openshift4`)
    t.equal(pushed.code, 0, pushed.stderr)
    t.match(pushed.stdout, new RegExp(`Update image: {2}${host}/ocp4/openshift4:4\\.18\\.3-x86_64`))
    const list = (await (await fetch(`${other.url}/v2/ocp4/openshift4/tags/list`)).json()) as { tags: string[] }
    t.same(
      list.tags.filter((tag) => !tag.endsWith('.sig')).toSorted(),
      [...release.expectedTags('arch').keys()].toSorted(),
    )
    t.equal(list.tags.filter((tag) => tag.endsWith('.sig')).length, 1)

    const directory = makeDirectory(t)
    const written = await run('mirror', ...plain, release.reference, `dir:${directory}`)
    t.equal(written.code, 0, written.stderr)
    t.match(
      written.stdout,
      `    oc image mirror --from-dir=${directory} 'file://openshift/release:4.18.3-x86_64*' REGISTRY/REPOSITORY`,
    )
    t.match(
      written.stdout,
      `\n\nConfigmap signature file ${directory}/config/signature-sha256-${release.digest.slice(7, 23)}.json created\n`,
    )
    const config = readdirSync(join(directory, 'config'))
    t.same(config, [`signature-sha256-${release.digest.slice(7, 23)}.json`])

    const read = await run('mirror', `dir:${directory}`, 'ocp4/openshift4')
    t.equal(read.code, 0, read.stderr)
    t.match(read.stdout, /is signed: verifier-public-key-redhat/)
    t.match(read.stdout, /kind: ImageDigestMirrorSet/)
    t.same(
      listTags(home).filter((tag) => !tag.endsWith('.sig')),
      [...release.expectedTags('arch').keys()].toSorted(),
    )
    t.equal((await run('verify', 'ocp4/openshift4:4.18.3-x86_64')).code, 0)
    t.equal((await run('verify', `dir:${directory}`)).code, 0)
    // As a tar of the directory leaves it, where somebody named the one above.
    const above = makeDirectory(t)
    renameSync(directory, join(above, 'mirror'))
    const below = await run('mirror', `dir:${above}`, 'above/openshift4')
    t.equal(below.code, 0, below.stderr)
    t.match(below.stdout, /is signed: verifier-public-key-redhat/)
    renameSync(join(above, 'mirror'), directory)
    const manifests = join(directory, 'v2/openshift/release/manifests')
    for (const entry of readdirSync(manifests, { withFileTypes: true }))
      if (entry.isSymbolicLink()) rmSync(join(manifests, entry.name))
    const bare = await run('mirror', `dir:${directory}`, 'ocp4/openshift4')
    t.equal(bare.code, 0, bare.stderr)
    t.match(bare.stdout, /here \d+, failed 0/, 'without its links it is the same release')
    const whole = await run('verify', `dir:${directory}`)
    t.equal(whole.code, 0, whole.stdout)
    t.match(whole.stdout, /^sigstore: 1 signature, /m)
    const named = `dir:${directory}`
    t.equal((await run('info', named, '--image', 'openshift/release:4.18.3-x86_64')).code, 0, 'its tag is known again')
    t.equal((await run('mirror', named, 'bare/openshift4')).code, 0)
    t.same(listTags(home, 'bare/openshift4'), listTags(home), 'all tags, that of sigstore too')
    t.equal((await run('verify', `data:${home.data}`, '--image', 'ocp4/openshift4:4.18.3-x86_64')).code, 0)
  },
)

t.test('what is asked for wrongly ends with 2 and a hint, offline with a reason', async (t) => {
  const { release, run, site, home } = await setUp(t, {}, 'mirror: {offline: true, anonymous: true, upstreams: []}\n')
  const wrong = async (code: number, pattern: RegExp, ...args: readonly string[]): Promise<void> => {
    const ran = await run(...args)
    t.equal(ran.code, code, args.join(' '))
    t.match(ran.stderr, pattern)
    t.match(ran.stderr, /\nhint: /)
  }
  await wrong(2, /not said which release/, 'info')
  await wrong(2, /not said which release/, 'info', '--channel', 'stable-4.4')
  await wrong(2, /not said where the release goes/, 'mirror', release.reference)
  await wrong(2, /its tags are made from its version/, 'mirror', release.reference, 'ocp4/openshift4:tag')
  await wrong(2, /it names no image/, 'info', 'Nonsense!')
  await wrong(2, /needs a tag or a digest/, 'info', 'quay.io/openshift-release-dev/ocp-release')
  await wrong(1, /offline/, 'mirror', release.reference, 'ocp4/openshift4')
  await wrong(1, /offline/, 'info', '--channel', 'stable-4.4', '--version', '4.4.10', '--graph-url', site.graph)
  await wrong(1, /no release that can be used/, 'info', 'ocp4/openshift4:4.4.10')
  await wrong(1, /there is no /, 'info', 'dir:/nowhere')
  t.same(site.asked, [])
  t.ok(home.data)
})

t.test('a release that does not fit is refused before its first byte, with what it needs', async (t) => {
  const full = 'limits: {room: {warn: 100% 4096TB, stop: 100% 4096TB}}\n'
  const { upstream, release, home, run } = await setUp(t, {}, full)
  const args = ['mirror', '--plain-http', upstream, release.reference, 'ocp4/openshift4'] as const
  const { code, stderr } = await run(...args)
  t.equal(code, 1)
  t.match(stderr, `error: there is no room: ${release.bytes} bytes are needed, and 0 may still be written\nhint: `)
  t.throws(() => listTags(home), 'nothing was copied')
  t.equal((await run(...args, '--dry-run')).code, 0, 'what there is to copy is told all the same')
})

t.test('a wrong signature stops the mirror with 4, a missing one is told with 3', async (t) => {
  const { upstream, release, site, home, run } = await setUp(t)
  const args = ['mirror', '--plain-http', upstream, release.reference, 'ocp4/openshift4'] as const
  const stranger = await makeReleaseKey('stranger')
  site.removeSignatures(release.digest)
  site.addSignature(release.digest, await stranger.signRelease(release.digest, release.reference))
  const refused = await run(...args)
  t.equal(refused.code, 4)
  t.match(refused.stderr, /is not verified/)
  t.throws(() => listTags(home), 'nothing was copied')
  site.removeSignatures(release.digest)
  const unsigned = await run(...args)
  t.equal(unsigned.code, 3)
  t.match(unsigned.stdout, /a cluster refuses to upgrade/)
  t.equal((await run('verify', 'ocp4/openshift4:4.4.10')).code, 4)
  t.equal((await run(...args, '--require-signature')).code, 4)
})
