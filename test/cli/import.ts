import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-type.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { readSignatures } from '../../src/storage/signatures.ts'
import { runCommand, writeHome } from '../helpers/command.ts'
import { hashTree } from '../helpers/hash-tree.ts'
import { findSocket, makeHome } from '../helpers/home.ts'
import { APP, OTHER, openRegistry, pushFull, pushImage } from '../helpers/images.ts'
import { makeTar } from '../helpers/make-tar.ts'
import { imageOf, partOf } from '../helpers/plant.ts'

const LAYER = Buffer.from('the one layer')
const CONFIG = Buffer.from(JSON.stringify({ rootfs: { type: 'layers', diff_ids: [digestOf(LAYER)] } }))

/** An archive of docker's with one image under these names. */
function archive(...names: readonly string[]): Buffer {
  const config = `${hexOf(digestOf(CONFIG))}.json`
  return makeTar([
    { name: config, bytes: CONFIG },
    { name: 'l.tar', bytes: LAYER },
    { name: 'manifest.json', bytes: JSON.stringify([{ Config: config, RepoTags: names, Layers: ['l.tar'] }]) },
  ])
}

function make(t: Test) {
  const directory = t.testdir({ here: {}, there: {} })
  mkdirSync(join(directory, 'home'))
  const config = writeHome(join(directory, 'home'), join(directory, 'there'))
  const run = (...args: readonly string[]) => runCommand([...args, '--config', config])
  return { directory, run, here: openRegistry(join(directory, 'here')), there: openRegistry(join(directory, 'there')) }
}

const tagOf = ({ store }: ReturnType<typeof openRegistry>, name: string, tag: string) =>
  store.tags.resolve(name as RepositoryName, tag as Tag)

t.test('names of registries that people mirror are kept, others say nothing, and words say more', async (t) => {
  const { directory, run, there } = make(t)
  const path = join(directory, 'a.tar')
  writeFileSync(path, archive('docker.io/library/app:1', 'localhost/app:1', 'reg.example:5000/team/app:1'))
  const { code, stdout } = await run('import', `docker-archive:${path}`)
  t.equal(code, 0)
  t.match(stdout, /^FROM +TO +RESULT +BYTES +REASON\n/)
  t.match(stdout, /\n3 images: 3 copied; brought 2 blobs, \d+ B\n$/)
  const digest = tagOf(there, 'docker.io/library/app', '1')
  t.ok(digest)
  t.same([tagOf(there, 'app', '1'), tagOf(there, 'team/app', '1')], [digest, digest])

  t.equal((await run('import', `docker-archive:${path}`, '--only', 'team/*:1', 'new/place:v9')).code, 0)
  t.equal(tagOf(there, 'new/place', 'v9'), digest)
  t.equal((await run('import', `docker-archive:${path}`, 'below/')).code, 0)
  t.equal(tagOf(there, 'below/library/app', '1'), digest)
  const again = await run('import', `docker-archive:${path}`)
  t.match(again.stdout, /3 images: 3 here; brought 0 blobs, 0 B/)
})

t.test('tarn sync takes images out of files too', async (t) => {
  const { directory, run, there } = make(t)
  const path = join(directory, 'a.tar')
  writeFileSync(path, archive('team/app:1'))
  t.equal((await run('sync', `docker-archive:${path}`, 'new/place:v9', '--dry-run')).code, 0)
  t.equal(tagOf(there, 'new/place', 'v9'), undefined)
  t.equal((await run('sync', `docker-archive:${path}`, 'new/place:v9')).code, 0)
  t.ok(tagOf(there, 'new/place', 'v9'))
  for (const more of [['docker://reg.example:5000/app'], ['--prune'], ['--to', 'oci:out']]) {
    const { code, stderr } = await run('sync', `docker-archive:${path}`, ...more)
    t.equal(code, 2)
    t.match(stderr, /images out of files come into this registry/)
  }
})

t.test('a dry run changes nothing, and JSON tells all', async (t) => {
  const { directory, run, there } = make(t)
  const path = join(directory, 'a.tar')
  writeFileSync(path, archive('app:1'))
  const { code, stdout } = await run('import', '--dry-run', '--json', `docker-archive:${path}`)
  t.equal(code, 0)
  t.match(JSON.parse(stdout), {
    copied: { counts: { copied: 1 }, images: [{ from: 'app:1', to: 'app', tags: ['1'] }] },
  })
  t.notOk(there.store.repositories.exists('app' as RepositoryName))
})

t.test('wrong words are wrong usage, and what is missing or damaged fails with the file and a hint', async (t) => {
  const { directory, run } = make(t)
  const path = join(directory, 'a.tar')
  writeFileSync(path, archive('app:1', 'other:1'))
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['a.tar'], 2, /a.tar does not say what it is\nhint: begin it with one of data: dir: oci: /],
    [['docker-archive:'], 2, /names no path/],
    [['docker-archive:/nowhere/a.tar'], 1, /there is no \/nowhere\/a.tar/],
    [[`oci-archive:${path}`], 1, /is no OCI layout: index.json is not in it/],
    [[`docker-archive:${path}`, 'one'], 2, /has 2 repositories, and one is one/],
    [[`docker-archive:${path}`, 'BIG'], 2, /is no name of a repository/],
    [[`docker-archive:${path}`, '--only', 'x*'], 1, /has no image that x\* means\nhint: it has app:1, other:1/],
    [[`oc-mirror:${directory}`], 1, /has no archives of oc-mirror/],
  ]
  for (const [args, code, words] of cases) {
    const run1 = await run('import', ...args)
    t.equal(run1.code, code, args.join(' '))
    t.match(run1.stderr, words)
  }
})

t.test('one bad image does not keep the others: exit code 3, and it is told', async (t) => {
  const { directory, run, here, there } = make(t)
  await pushImage(here, APP, ['base', 'bad'], { tag: 'bad' })
  await pushImage(here, APP, ['base', 'good'], { tag: 'good' })
  rmSync(here.store.layout.blobData(digestOf(Buffer.from('bad'))))
  const { code, stdout } = await run('import', `data:${join(directory, 'here')}`, 'team/')
  t.equal(code, 3)
  t.match(stdout, /team\/app:bad +team\/team\/app:bad +failed/)
  t.ok(tagOf(there, 'team/team/app', 'good'))
  t.notOk(tagOf(there, 'team/team/app', 'bad'))
})

t.test('what is exported comes back the same, in each format', async (t) => {
  const { directory, run, there } = make(t)
  const { digest, cosign } = await pushFull(there, APP, 'v1')
  await pushImage(there, OTHER, ['x'], { tag: 'v2' })
  const kinds = ['oci', 'oci-archive', 'dir', 'data']
  for (const kind of kinds) {
    const place = `${kind}:${join(directory, kind)}`
    const out = await run('export', 'team/**', place)
    t.equal(out.code, 0, out.stderr)
    mkdirSync(join(directory, `${kind}-back`))
    const config = writeHome(join(directory, `${kind}-back`), join(directory, `${kind}-back`))
    const back = await runCommand(['import', place, '--config', config])
    t.equal(back.code, 0, back.stderr)
    const registry = openRegistry(join(directory, `${kind}-back`))
    t.equal(tagOf(registry, APP, 'v1'), digest, kind)
    t.ok(tagOf(registry, APP, cosign), kind)
    t.equal(tagOf(registry, OTHER, 'v2'), tagOf(there, OTHER, 'v2'), kind)
  }
  const second = await run('export', 'team/**', `oci-archive:${join(directory, 'oci-archive')}`)
  t.match([second.code, second.stderr], [1, /is there already/])
  const none = await run('export', 'nothing:1', `oci:${join(directory, 'none')}`)
  t.match([none.code, none.stderr], [1, /nothing:1: no such image here/])
})

t.test('oc’s own words work, and signatures beside the images are stored and written again', async (t) => {
  const { directory, run, there } = make(t)
  const release = 'openshift/release' as RepositoryName
  const image = await pushImage(there, release, ['payload'], { tag: '4.4.10-x86_64' })
  await pushImage(there, release, ['etcd'], { tag: '4.4.10-x86_64-etcd' })
  await pushImage(there, release, ['old'], { tag: '4.3.0-x86_64' })
  const dir = join(directory, 'mirror')
  t.equal((await run('export', release, `dir:${dir}`)).code, 0)
  const name = `sha256-${hexOf(digestOf(image))}`
  const signature = Buffer.from('a signature')
  mkdirSync(join(dir, 'config'))
  const map = { kind: 'ConfigMap', binaryData: { [`${name}-1`]: signature.toString('base64') } }
  // oc up to 4.10 wrote JSON into such a file.
  writeFileSync(join(dir, 'config', `signature-${name.slice(0, 23)}.yaml`), JSON.stringify(map))

  const { code, stdout } = await run('import', '--from-dir', dir, 'file://openshift/release:4.4.10*', 'ocp4/openshift4')
  t.equal(code, 0)
  t.match(stdout, /2 images: 2 copied/)
  t.match(stdout, /1 signature of releases beside them, 1 new here/)
  t.equal(tagOf(there, 'ocp4/openshift4', '4.4.10-x86_64'), digestOf(image))
  t.notOk(tagOf(there, 'ocp4/openshift4', '4.3.0-x86_64'))
  t.same(readSignatures(there.store.layout, digestOf(image)), [{ number: 1, bytes: signature }])

  const out = join(directory, 'out')
  t.equal((await run('export', 'ocp4/openshift4', `dir:${out}`)).code, 0)
  t.same(readdirSync(join(out, 'config')), [`signature-${name.slice(0, 23)}.json`])
})

t.test('archives of oc-mirror are one source, and one with only what is new goes on from the one before', async (t) => {
  const { directory, run, here, there } = make(t)
  const first = digestOf(await pushImage(here, APP, ['base', '1'], { tag: '1' }))
  const archives = join(directory, 'archives')
  mkdirSync(archives)
  const tar = (file: string, ...more: readonly string[]) =>
    execFileSync('tar', ['-cf', join(archives, file), '-C', join(directory, 'here'), ...more])
  tar('mirror_000001.tar', 'docker')
  t.equal((await run('import', `oc-mirror:${archives}`)).code, 0)
  t.equal(tagOf(there, APP, '1'), first)

  const old = readdirSync(join(directory, 'here/docker/registry/v2/blobs/sha256'))
  const second = digestOf(await pushImage(here, APP, ['base', '2'], { tag: '2' }))
  rmSync(join(archives, 'mirror_000001.tar'))
  const known = old.map((shard) => `--exclude=docker/registry/v2/blobs/sha256/${shard}`)
  tar('mirror_000001.tar', 'docker/registry/v2/repositories')
  tar('mirror_000002.tar', ...known, 'docker/registry/v2/blobs')
  const next = await run('import', `oc-mirror:${archives}`)
  t.equal(next.code, 0, next.stdout)
  t.match(next.stdout, /2 images: 1 copied, 1 here/)
  t.equal(tagOf(there, APP, '2'), second)
})

t.test('into a registry that runs it goes over the local socket, past every login', async (t) => {
  const { directory, data, serve } = makeHome(t)
  await serve()
  await findSocket(data)
  const source = t.testdir({ there: {} })
  const other = openRegistry(join(source, 'there'))
  const { digest, cosign } = await pushFull(other, APP, 'v1')
  const path = join(directory, 'config.yml')
  for (const [args, result] of [
    [['import', `data:${join(source, 'there')}`, 'mirrored/'], /copied/],
    [['import', `data:${join(source, 'there')}`], /took in \d+ blob/],
    [['export', 'mirrored/**', `oci:${join(source, 'layout')}`], /copied/],
    [['import', `oci:${join(source, 'layout')}`, 'again/'], /copied/],
  ] as const) {
    const done = await runCommand([...args, '--config', path])
    t.equal(done.code, 0, done.stderr + done.stdout)
    t.match(done.stdout, result)
  }
  const there = openRegistry(data)
  for (const name of [`mirrored/${APP}`, APP, `again/mirrored/${APP}`]) {
    t.equal(tagOf(there, name, 'v1'), digest, name)
    t.ok(tagOf(there, name, cosign), name)
  }
})

t.test('a store of hauler comes in as it was saved, its signatures under the tags of cosign', async (t) => {
  const { directory, run, here, there } = make(t)
  const image = await pushImage(here, APP, ['base', 'app'])
  const signature = await pushImage(here, APP, ['a signature'])
  const name = { 'io.containerd.image.name': `quay.io/${APP}:1`, 'org.opencontainers.image.ref.name': `${APP}:1` }
  const layout = join(directory, 'store')
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true })
  for (const bytes of [image, signature, ...['base', 'app', 'a signature'].map((text) => Buffer.from(text))])
    writeFileSync(join(layout, 'blobs/sha256', hexOf(digestOf(bytes))), bytes)
  const { config } = JSON.parse(image.toString()) as { config: { digest: string } }
  const at = here.store.layout.blobData(config.digest as ReturnType<typeof digestOf>)
  execFileSync('cp', [at, join(layout, 'blobs/sha256', config.digest.slice(7))])
  const entry = (bytes: Buffer, kind: string) => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: digestOf(bytes),
    size: bytes.length,
    annotations: { ...name, kind },
  })
  const manifests = [entry(image, 'dev.hauler/image'), entry(signature, 'dev.hauler/sigs')]
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
  execFileSync('sh', ['-c', 'tar -cf - . | gzip > ../haul.tar.gz'], { cwd: layout })
  const { code, stdout } = await run('import', `hauler:${join(directory, 'haul.tar.gz')}`)
  t.equal(code, 0, stdout)
  t.equal(tagOf(there, `quay.io/${APP}`, '1'), digestOf(image))
  t.equal(tagOf(there, `quay.io/${APP}`, `sha256-${hexOf(digestOf(image))}.sig`), digestOf(signature))
})

t.test(
  'into a registry that runs: of an image with one wrong large layer nothing comes, and all of it when it is right',
  async (t) => {
    const { directory, data, serve } = makeHome(t)
    await serve()
    await findSocket(data)
    const layers = Array.from({ length: 12 }, (_, at) => Buffer.alloc(4_500_000, `layer ${at} `))
    const [first = LAYER] = layers
    const image = imageOf(partOf(CONFIG), layers.map(partOf))
    const layout = join(directory, 'layout')
    const at = (bytes: Buffer): string => join(layout, 'blobs/sha256', hexOf(digestOf(bytes)))
    mkdirSync(join(layout, 'blobs/sha256'), { recursive: true })
    for (const bytes of [...layers, CONFIG, image]) writeFileSync(at(bytes), bytes)
    const named = { 'org.opencontainers.image.ref.name': 'team/large:1' }
    const manifests = [{ mediaType: OCI_MANIFEST, ...partOf(image), annotations: named }]
    writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
    const wrong = Buffer.from(first)
    wrong[4_400_000] = 0
    writeFileSync(at(first), wrong)
    writeFileSync(join(directory, 'small.tar'), archive('team/small:1'))
    const config = join(directory, 'config.yml')
    t.equal(
      (await runCommand(['import', `docker-archive:${join(directory, 'small.tar')}`, '--config', config])).code,
      0,
    )
    const before = hashTree(join(data, 'docker'))
    const words = ['import', `oci:${layout}`, '--config', config]
    const failed = await runCommand(words)
    t.equal(failed.code, 1)
    t.match(failed.stdout, /the bytes of sha256:[0-9a-f]+ have another digest/)
    t.equal(hashTree(join(data, 'docker')), before)
    writeFileSync(at(first), first)
    const done = await runCommand(words)
    t.equal(done.code, 0, done.stdout)
    t.match(done.stdout, /1 copied; brought 13 blobs/)
  },
)
