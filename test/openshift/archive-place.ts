import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { TAR_END, writeHeader } from '../../src/bundle/tar-header.ts'
import type { ReleaseOptions } from '../fixtures/release.ts'
import { buildRelease } from '../fixtures/release.ts'
import { makeReleaseKey } from '../fixtures/release-key.ts'
import { startReleaseSite } from '../fixtures/release-site.ts'
import type { Home } from '../helpers/home.ts'
import { makeHome } from '../helpers/home.ts'
import { startTarn } from '../helpers/server.ts'
import type { Ran } from '../helpers/tarn.ts'
import { runTarn } from '../helpers/tarn.ts'

const key = await makeReleaseKey()

/** A home that has a signed release. */
async function setUp(t: Test, more: Partial<ReleaseOptions> = {}) {
  const upstream = await startTarn(t)
  const host = new URL(upstream.url).host
  const site = await startReleaseSite()
  const verification = { stores: [site.store], keys: [key.publicKey] }
  const options = { version: '4.18.3', host, components: 5, largestBytes: 300_000, verification, ...more }
  const release = await buildRelease(options)
  await release.push({ url: upstream.url })
  site.addSignature(release.digest, await key.signRelease(release.digest, release.reference))
  const home = makeHome(t)
  const run = runIn(home)
  const mirrored = await run('release', 'mirror', '--plain-http', host, release.reference, 'ocp4/openshift4')
  t.equal(mirrored.code, 0, mirrored.stderr)
  // From here on nobody can be asked.
  await site.close()
  return { release, home, run, files: makeFiles(t) }
}

const runIn =
  (home: Home) =>
  (...args: readonly string[]): Promise<Ran> =>
    runTarn(home.directory, args)

const makeFiles = (t: Test): string => t.testdir({})

const listTags = (home: Home): string[] =>
  readdirSync(join(home.data, 'docker/registry/v2/repositories/ocp4/openshift4/_manifests/tags')).toSorted()

t.test('a release comes out of a bundle: plain, packed, in parts that cut its layers, packed in parts', async (t) => {
  const { release, run, files } = await setUp(t)
  const forms: Readonly<Record<string, readonly string[]>> = {
    plain: [],
    packed: ['--zstd'],
    parts: ['--part-size', '200KB'],
    both: ['--part-size', '200KB', '--zstd'],
  }
  for (const [form, options] of Object.entries(forms)) {
    const folder = join(files, form)
    mkdirSync(folder)
    const made = await run('bundle', 'create', join(folder, 'site.tar'), ...options)
    t.equal(made.code, 0, made.stderr)
    const parts = readdirSync(folder).filter((name) => /\.(?:tar|zst)$/.test(name))
    t.equal(parts.length > 1, options.includes('--part-size'), parts.join(' '))
    const from = `bundle:${parts.length > 1 ? folder : join(folder, parts[0] ?? '')}`
    const there = makeHome(t)
    const info = await runIn(there)('release', 'info', from)
    t.match(info.stdout, new RegExp(`Digest: {9}${release.digest}\n`), info.stderr)
    const mirrored = await runIn(there)('release', 'mirror', from, 'ocp4/openshift4')
    t.equal(mirrored.code, 0, mirrored.stderr)
    t.match(mirrored.stdout, /is signed: verifier-public-key-redhat/, 'by the signature in the bundle')
    t.same(listTags(there), [...release.expectedTags('arch').keys()].toSorted(), form)
    const verified = await runIn(there)('release', 'verify', 'ocp4/openshift4:4.18.3-x86_64')
    t.equal(verified.code, 0, verified.stdout)
    t.equal((await runIn(there)('release', 'verify', from)).code, 0, `${form}: in the bundle itself`)
  }
})

t.test('a part that is missing is told, and so are the images that need it', async (t) => {
  const { run, files } = await setUp(t)
  t.equal((await run('bundle', 'create', join(files, 'site.tar'), '--part-size', '200KB')).code, 0)
  const parts = readdirSync(files)
    .filter((name) => name.endsWith('.tar'))
    .toSorted()
  rmSync(join(files, parts[1] ?? ''))
  const there = makeHome(t)
  const mirrored = await runIn(there)('release', 'mirror', `bundle:${files}`, 'ocp4/openshift4')
  t.equal(mirrored.code, 3, mirrored.stderr)
  t.match(mirrored.stdout, /failed: .* is not in /)
  t.notMatch(mirrored.stdout, /\nSuccess\n/)
  rmSync(join(files, parts.at(-1) ?? ''))
  const unknown = await runIn(there)('release', 'mirror', `bundle:${files}`, 'ocp4/openshift4')
  t.equal(unknown.code, 1)
  t.match(unknown.stderr, /lacks part \d+ of a bundle of \d+ parts[^\n]*\nhint: /)
})

t.test('a slice with other bytes than its digest says is believed by nobody', async (t) => {
  // The seventh is one with a layer of its own that is larger than a part.
  const { release, run, files } = await setUp(t, { components: 8 })
  t.equal((await run('bundle', 'create', join(files, 'site.tar'), '--part-size', '200KB')).code, 0)
  const largest = release.components
    .flatMap(({ name, image }) => image.blobs.map((blob) => ({ name, ...blob })))
    .reduce((most, each) => (each.size > most.size ? each : most))
  const names = readdirSync(files).filter((name) => name.endsWith('.tar'))
  const cut = names.flatMap((name) => {
    const at = readFileSync(join(files, name)).indexOf(`${largest.digest.slice(7)}/slice-`)
    return at === -1 ? [] : [{ path: join(files, name), at }]
  })
  t.ok(cut.length > 1, 'the layer is cut')
  // One of them stands for all.
  for (const { path, at } of cut.slice(-1)) {
    const good = readFileSync(path)
    const bad = Buffer.from(good)
    // The name stands in the first block of the entry.
    const place = at - (at % 512) + 512 + 100
    bad[place] = (bad[place] ?? 0) ^ 1
    writeFileSync(path, bad)
    const verified = await run('release', 'verify', `bundle:${files}`)
    t.equal(verified.code, 4, verified.stderr)
    t.match(verified.stdout, new RegExp(`^wrong blob  ${largest.name} ${largest.digest}  `, 'm'))
    t.match(verified.stdout, /^1 fault: /m)
    const there = makeHome(t)
    const mirrored = await runIn(there)('release', 'mirror', `bundle:${files}`, 'ocp4/openshift4')
    t.equal(mirrored.code, 3, mirrored.stderr)
    t.match(mirrored.stdout, new RegExp(`failed: ${largest.name}: `))
    t.notMatch(mirrored.stdout, /\nSuccess\n/)
    const [head, hex] = [largest.digest.slice(7, 9), largest.digest.slice(7)]
    t.notOk(existsSync(join(there.data, 'docker/registry/v2/blobs/sha256', head, hex, 'data')))
    t.notOk(listTags(there).includes('4.18.3-x86_64'), 'what has a name is whole')
    writeFileSync(path, good)
  }
  t.equal((await run('release', 'verify', `bundle:${files}`)).code, 0)
})

t.test('what a bundle brought beside the images is missed where it is gone', async (t) => {
  const { release, run, files, home } = await setUp(t, { sigstore: 'all' })
  const file = join(files, 'site.tar')
  t.equal((await run('bundle', 'create', file)).code, 0)
  const there = makeHome(t)
  const at = (...args: readonly string[]): Promise<Ran> => runIn(there)(...args)
  const applied = await at('bundle', 'apply', file)
  t.equal(applied.code, 0, applied.stderr)
  const whole = await at('release', 'verify', 'ocp4/openshift4:4.18.3-x86_64')
  t.equal(whole.code, 0, whole.stdout)
  t.match(
    whole.stdout,
    /sigstore: \d signatures, SBOMs and the like beside its images; what came with it was written down/,
  )
  const etcd = release.components.find(({ name }) => name === 'etcd')?.digest ?? ''
  const tag = `${etcd.replace(':', '-')}.sig`
  t.equal((await at('rm', '--yes', `ocp4/openshift4:${tag}`)).code, 0)
  const lost = await at('release', 'verify', 'ocp4/openshift4:4.18.3-x86_64')
  t.equal(lost.code, 4, lost.stdout)
  t.match(lost.stdout, `missing signature  etcd ${etcd}  ${tag}, which is about it, came with it and is not here`)

  t.equal((await run('rm', '--yes', `ocp4/openshift4:${tag}`)).code, 0)
  t.equal((await run('release', 'verify', 'ocp4/openshift4:4.18.3-x86_64')).code, 4, 'where it was mirrored to')
  const copy = await at('release', 'verify', `data:${home.directory}`, '--image', 'ocp4/openshift4:4.18.3-x86_64')
  t.equal(copy.code, 4, 'and in a copy of that directory')
  t.match(copy.stdout, `missing signature  etcd ${etcd}  `)
})

t.test('a bundle that the home does not trust is refused, and so is a tar that is none', async (t) => {
  const { run, files, home } = await setUp(t)
  t.equal((await run('bundle', 'create', join(files, 'site.tar'))).code, 0)
  const there = makeHome(t)
  const line = (await runIn(there)('bundle', 'keygen')).stdout
  t.match(line, /ssh-ed25519/)
  mkdirSync(join(there.directory, 'auth'), { recursive: true })
  writeFileSync(join(there.directory, 'auth', 'allowed_signers'), line)
  const refused = await runIn(there)('release', 'mirror', `bundle:${join(files, 'site.tar')}`, 'ocp4/openshift4')
  t.equal(refused.code, 4)
  t.match(refused.stderr, /the bundle is not signed[^\n]*\nhint: /)
  const tar = join(files, 'data.tar.gz')
  execFileSync('tar', ['-zcf', tar, '-C', home.data, '--exclude=*.sock', '.'])
  const none = await run('release', 'info', `bundle:${tar}`)
  t.equal(none.code, 4)
  t.match(none.stderr, /this is no bundle/)
  t.equal((await run('release', 'info', `data:${tar}`)).code, 0, 'it is a data directory')
  t.equal((await run('release', 'info', `data:${home.directory}`)).code, 0, 'a home is one too')
})

t.test('behind a good signature nothing is taken that the signed index does not name', async (t) => {
  const { run, files, release } = await setUp(t)
  const keyFile = join(files, 'key')
  const line = (await run('bundle', 'keygen', '--out', keyFile)).stdout.split('\n').find((one) => one.includes('ssh-'))
  const file = join(files, 'site.tar')
  const made = await run('bundle', 'create', file, '--key', keyFile)
  t.equal(made.code, 0, made.stderr)
  const there = makeHome(t)
  mkdirSync(join(there.directory, 'auth'), { recursive: true })
  writeFileSync(join(there.directory, 'auth', 'allowed_signers'), `${line}\n`)
  const info = await runIn(there)('release', 'info', `bundle:${file}`)
  t.equal(info.code, 0, info.stderr)

  const good = readFileSync(file)
  const tags = 'data/docker/registry/v2/repositories/ocp4/openshift4/_manifests/tags'
  const moved = Buffer.from(good)
  const link = moved.indexOf(`${tags}/4.18.3-x86_64/current/link`) + 512
  t.equal(moved.toString('latin1', link, link + 71), release.digest)
  moved.write(release.components[0]?.digest ?? '', link, 'latin1')
  const end = good.byteLength - TAR_END
  const added = Buffer.concat([
    good.subarray(0, end),
    writeHeader({ name: `${tags}/9.9.9-x86_64/current/link`, size: 71, time: 0 }),
    Buffer.from(release.digest.padEnd(512, '\0')),
    good.subarray(end),
  ])
  for (const [bytes, why] of [
    [moved, /current\/link[^\n]* does not hold sha256:/],
    [added, /9\.9\.9-x86_64[^\n]* is not in the index of the bundle/],
  ] as const) {
    writeFileSync(file, bytes)
    for (const args of [
      ['info', `bundle:${file}`],
      ['verify', `bundle:${file}`],
      ['mirror', `bundle:${file}`, 'ocp4/openshift4'],
    ]) {
      const refused = await runIn(there)('release', ...args)
      t.equal(refused.code, 4, `${args[0]}: ${refused.stdout}`)
      t.match(refused.stderr, why)
    }
  }
})
