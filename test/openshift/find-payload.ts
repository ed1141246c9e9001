import { gzipSync } from 'node:zlib'
import t from 'tap'
import { Problem } from '../../src/config/problem.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { findPayload } from '../../src/openshift/find-payload.ts'
import type { FindOptions, Payload } from '../../src/openshift/find-payload.ts'
import { buildRelease, RELEASE_REPOSITORY } from '../fixtures/release.ts'
import type { LayerFile } from '../fixtures/release-content.ts'
import { makeLayer, packLayer } from '../fixtures/release-content.ts'
import { makeImage, TYPES } from '../fixtures/release-images.ts'
import { payloadFiles } from '../fixtures/release-payload.ts'
import type { CountedSource } from '../helpers/release-source.ts'
import { sourceOf } from '../helpers/release-source.ts'

const VERIFICATION = { stores: ['https://store.test/signatures'], keys: ['-----BEGIN PGP PUBLIC KEY BLOCK-----\nx'] }
const DIGEST = `sha256:${'a'.repeat(64)}`
const COMPONENT = { name: 'etcd', digest: DIGEST }

function find(source: CountedSource, tag: string, options?: FindOptions): Promise<Payload> {
  const at = {
    repository: parseRepositoryName(RELEASE_REPOSITORY),
    reference: { kind: 'tag', tag: parseTag(tag) } as const,
  }
  return findPayload(source, at, `up.test/${RELEASE_REPOSITORY}:${tag}`, options)
}

/** A release image of these layers, each a list of files. */
async function placeLayers(...layers: readonly (readonly LayerFile[])[]) {
  const packed = await Promise.all(layers.map((files) => packLayer(files, TYPES.docker.layer)))
  const image = makeImage({ kind: 'docker', architecture: 'amd64', layers: packed, labels: {} })
  return { packed, placed: [{ repository: RELEASE_REPOSITORY, image, tags: ['r'] }] }
}

function filesOf(change: (text: string) => string = (text) => text): LayerFile[] {
  const files = payloadFiles({ version: '4.18.3', repository: 'quay.io/o/art', components: [COMPONENT] })
  return files.map((file) =>
    file.name.endsWith('image-references') ? { ...file, bytes: Buffer.from(change(file.bytes.toString())) } : file,
  )
}

t.test('a payload of each generation says its version, its components by digest, and how it is verified', async (t) => {
  for (const version of ['4.4.10', '4.19.2']) {
    const release = await buildRelease({ version, host: 'quay.io', verification: VERIFICATION })
    const payload = await find(sourceOf(release.placed), release.releaseTag)
    t.equal(payload.version, version)
    t.equal(payload.digest, release.digest)
    t.same([payload.isList, payload.architecture, payload.os], [false, 'amd64', 'linux'])
    t.same(
      payload.components.map(({ name, host, repository, digest }) => [name, `${host}/${repository}@${digest}`]),
      release.components.map(({ name, digest }) => [name, `quay.io/${release.componentRepository}@${digest}`]),
    )
    t.same(payload.verification?.stores, VERIFICATION.stores)
    t.same(payload.verification?.keyrings, [{ name: 'verifier-public-key-redhat', text: `${VERIFICATION.keys[0]}\n` }])
    t.equal(payload.metadata?.metadata['url'], `https://errata.invalid/${version}`)
    t.same(payload.files, { manifests: 2, metadata: 1 })
  }
})

t.test('of a list the payload of linux/amd64 is read, and the digest is the list’s', async (t) => {
  const release = await buildRelease({ version: '4.18.3', host: 'quay.io', architectures: ['arm64', 'amd64'] })
  const payload = await find(sourceOf(release.placed), release.releaseTag)
  t.equal(payload.digest, release.digest)
  t.equal(payload.image, release.image.manifests.find(({ architecture }) => architecture === 'amd64')?.digest)
  t.same([payload.isList, payload.architectures], [true, ['arm64', 'amd64']])
})

t.test('only the last layer is read where the payload is in it, and an earlier one where it is not', async (t) => {
  const other = [{ name: 'etc/os-release', bytes: Buffer.from('x') }]
  const last = await placeLayers(other, filesOf())
  const source = sourceOf(last.placed)
  await find(source, 'r')
  t.same(source.opened.slice(1), [last.packed[1]?.digest])
  const first = await placeLayers(filesOf(), other)
  t.equal((await find(sourceOf(first.placed), 'r')).version, '4.18.3')
})

t.test('a payload without stores and keys says that there is nothing to verify with', async (t) => {
  const { placed } = await placeLayers(filesOf())
  t.equal((await find(sourceOf(placed), 'r')).verification, undefined)
})

t.test('names that begin with ./ or / mean the same file', async (t) => {
  for (const start of ['./', '/', '././']) {
    const { placed } = await placeLayers(filesOf().map(({ name, bytes }) => ({ name: `${start}${name}`, bytes })))
    t.equal((await find(sourceOf(placed), 'r')).version, '4.18.3', start)
  }
})

t.test('what is no release is refused with its reason', async (t) => {
  const refuse = async (layers: readonly (readonly LayerFile[])[], expected: RegExp, options?: FindOptions) => {
    const { placed } = await placeLayers(...layers)
    await t.rejects(find(sourceOf(placed), 'r', options), { name: 'Problem', message: expected })
  }
  const main = (text: string): LayerFile[] => [{ name: 'release-manifests/image-references', bytes: Buffer.from(text) }]
  await refuse([[{ name: 'etc/passwd', bytes: Buffer.from('') }]], /no layer of it has/)
  await refuse([filesOf().map((file) => ({ ...file, name: `x/../${file.name}` }))], /no layer of it has/)
  await refuse([filesOf().map((file) => ({ ...file, name: file.name.replace('/', '/deep/') }))], /no layer of it has/)
  await refuse([main('{')], /cannot be read/)
  await refuse([main('[]')], /no JSON object/)
  await refuse([main('{"kind":"List","apiVersion":"v1"}')], /no ImageStream/)
  await refuse([filesOf((text) => text.replace('"4.18.3"', '"4.18/3"'))], /names no version/)
  await refuse([filesOf((text) => text.replace('"DockerImage"', '"ImageStreamTag"'))], /names no image/)
  await refuse([filesOf((text) => text.replace(`@${DIGEST}`, ':latest'))], /no image with registry and digest/)
  await refuse([filesOf((text) => text.replace('@sha256', ':v1@sha256'))], /no image with registry and digest/)
  await refuse([filesOf((text) => text.replace('quay.io/', ''))], /no image with registry and digest/)
  await refuse([filesOf((text) => text.replace('"name": "etcd"', '"name": "et cd"'))], /cannot be part of a tag/)
  await refuse([[...filesOf(), ...filesOf()]], /is there twice/)
  await refuse(
    [filesOf((text) => text.replace(/"tags": \[([^]*)\n {4}\]/, '"tags": [$1,$1]'))],
    /names the component etcd twice/,
  )
})

t.test('a layer beyond its bounds is given up', async (t) => {
  const bounds = { unpacked: 100_000, entries: 3, file: 20_000, marked: 1 }
  const large = { name: 'zeros', bytes: Buffer.alloc(1_000_000) }
  const refuse = async (files: readonly LayerFile[], expected: RegExp) => {
    const { placed } = await placeLayers(files)
    await t.rejects(find(sourceOf(placed), 'r', { bounds }), { name: 'Problem', message: expected })
  }
  await refuse([large], /unpacks to more than 100000 bytes/)
  await refuse(
    ['a', 'b', 'c', 'd'].map((name) => ({ name, bytes: Buffer.from('') })),
    /more than 3 files/,
  )
  const main = { name: 'release-manifests/image-references', bytes: Buffer.alloc(30_000, 0x20) }
  await refuse([main], /image-references has 30000 bytes/)
  const marked = (name: string): LayerFile => ({
    name: `release-manifests/${name}.yaml`,
    bytes: Buffer.from('release.openshift.io/verification-config-map'),
  })
  await refuse([marked('a'), marked('b')], /too many of its manifests/)
})

t.test('bytes that are not the digest’s count for nothing', async (t) => {
  const { packed, placed } = await placeLayers(filesOf())
  const other = await packLayer(
    filesOf((text) => text.replace('etcd', 'evil')),
    TYPES.docker.layer,
  )
  const pieces: Buffer[] = []
  for await (const piece of other.open()) pieces.push(piece as Buffer)
  const swap = (bytes: Buffer) => (digest: string) => (digest === packed[0]?.digest ? bytes : undefined)
  await t.rejects(find(sourceOf(placed, swap(Buffer.concat(pieces))), 'r'), {
    message: /has other bytes than its digest/,
  })
  await t.rejects(find(sourceOf(placed, swap(Buffer.from('no gzip at all'))), 'r'), { message: /cannot be unpacked/ })
  await t.rejects(find(sourceOf(placed, swap(gzipSync(Buffer.alloc(700, 0x41)))), 'r'), {
    message: /cannot be unpacked/,
  })
  await t.rejects(find(sourceOf(placed, swap(Buffer.concat(pieces).subarray(0, 200))), 'r'), Problem)
})

t.test('an image that is not there, and one without layers, are said to be no release', async (t) => {
  const release = await buildRelease({ version: '4.18.3', host: 'quay.io', components: 1 })
  await t.rejects(find(sourceOf(release.placed), 'other'), { message: /the fixture does not have it/ })
  const base = await makeLayer('base', 1000, TYPES.docker.layer)
  const image = makeImage({ kind: 'docker', architecture: 'amd64', layers: [base], labels: {} })
  await t.rejects(find(sourceOf([{ repository: RELEASE_REPOSITORY, image, tags: ['r'] }]), 'r'), {
    message: /no layer of it has release-manifests\/image-references/,
  })
})
