import t from 'tap'
import { pickImages } from '../../src/bundle/pick.ts'
import { findSynced } from '../../src/bundle/sync-images.ts'
import { parseSyncFile } from '../../src/config/sync-file.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { EVERYTHING } from '../helpers/bundle-images.ts'
import { pushFull, pushImage } from '../helpers/images.ts'
import { imageOf, partOf, plantBlob, plantManifest } from '../helpers/plant.ts'
import { makeContext, makeStore } from '../helpers/store.ts'

const nameOf = (text: string): RepositoryName => text as RepositoryName

async function find(directory: string, lines: string, known: readonly { host: string; path: string }[] = []) {
  const store = makeStore(directory)
  return findSynced(store, parseSyncFile(`version: 1\n${lines}`, 'sync.yml', '/').entries, known)
}

t.test('images, tags and whole registries are found where a sync puts them', async (t) => {
  const directory = t.testdir()
  const context = makeContext(makeStore(directory))
  const push = async (name: string, ...tags: readonly string[]): Promise<void> => {
    for (const tag of tags) await pushImage(context, nameOf(name), [`${name} ${tag}`], { tag })
  }
  await push('docker.io/library/alpine', '3.18', '3.19', '3.20', 'edge')
  await push('tools/jq', '1.7', 'latest')
  await push('corp/team/a', 'v1', 'x')
  await push('corp/team/b', 'v2')
  await push('corp/other', 'v1')
  await push('elsewhere/thing', 'v1')
  const found = await find(
    directory,
    `
defaults: {platforms: [linux/amd64]}
sync:
  - {from: docker.io/library/alpine, tags: {semver: ">=3.18", newest: 2}}
  - {from: quay.io/org/jq:1.7, to: tools/jq, platforms: all, referrers: false}
  - {from: "registry.corp:5000", to: corp, repositories: ["team/**"], tags: {allow: ["v.*"]}}
  - {from: quay.io/org/jq:1.6, to: tools/jq, tag: old}
  - {from: quay.io/nobody/here}
`,
  )
  const amd64 = { platforms: ['linux/amd64'], referrers: true, digests: [] }
  t.same(found.images, [
    { repository: 'docker.io/library/alpine', tags: ['3.19', '3.20'], ...amd64 },
    { repository: 'tools/jq', tags: ['1.7'], digests: [], platforms: [], referrers: false },
    { repository: 'corp/team/a', tags: ['v1'], ...amd64 },
    { repository: 'corp/team/b', tags: ['v2'], ...amd64 },
    { repository: 'tools/jq', tags: ['old'], ...amd64 },
  ])
  t.same(found.absent, ['quay.io/nobody/here'])
  const { picked, release } = await pickImages(makeStore(directory), { ...EVERYTHING, exact: found.images }, 0)
  release()
  t.same(
    picked.repositories.map(({ name, images }) => [name, images.flatMap(({ tags }) => tags)]),
    [
      ['corp/team/a', ['v1']],
      ['corp/team/b', ['v2']],
      ['docker.io/library/alpine', ['3.19', '3.20']],
      ['tools/jq', ['1.7']],
    ],
  )
  t.same(picked.unmatched, ['tools/jq:old'])
})

t.test('the path of the mirror, missing tags and digests are as a sync has them', async (t) => {
  const directory = t.testdir()
  const context = makeContext(makeStore(directory))
  const digest = digestOf(await pushImage(context, nameOf('hub/library/a'), ['a'], { tag: 'v1' }))
  const found = await find(
    directory,
    `
sync:
  - {from: docker.io/library/a, tags: [v1, v2]}
  - {from: "docker.io/library/a@sha256:${'0'.repeat(64)}", tag: v1}
  - {from: "docker.io/library/a@${digest}", tag: v1}
  - {from: "docker.io/library/a@${digest}"}
`,
    [{ host: 'docker.io', path: 'hub' }],
  )
  t.same(found.absent, ['hub/library/a:v2'])
  t.match(found.images, [
    { repository: 'hub/library/a', tags: ['v1'], digests: [] },
    { repository: 'hub/library/a', tags: [], digests: [`sha256:${'0'.repeat(64)}`] },
    { repository: 'hub/library/a', tags: ['v1'], digests: [] },
    { repository: 'hub/library/a', tags: [], digests: [digest] },
  ])
})

t.test('the newest by date is what the images say of themselves', async (t) => {
  const directory = t.testdir()
  const store = makeStore(directory)
  const plant = (tag: string, created: string): Digest => {
    const config = Buffer.from(JSON.stringify({ created, rootfs: { type: 'layers', diff_ids: [] } }))
    plantBlob(store, nameOf('quay.io/a/b'), config)
    return plantManifest(store, nameOf('quay.io/a/b'), imageOf(partOf(config), []), tag as never)
  }
  plant('a', '2026-03-01T00:00:00Z')
  plant('b', '2024-03-01T00:00:00Z')
  plant('c', '2025-03-01T00:00:00Z')
  const found = await find(directory, 'sync: [{from: quay.io/a/b, tags: {newest: 2, by: date}}]')
  t.same(
    found.images.map(({ tags }) => tags),
    [['a', 'c']],
  )
})

t.test('what two entries mean of one image is taken as both want it', async (t) => {
  const directory = t.testdir()
  const store = makeStore(directory)
  const name = nameOf('team/app')
  await pushFull(makeContext(store), name, 'v1')
  const wish = { repository: name, tags: ['v1' as never], digests: [], referrers: false }
  const pick = async (...exact: readonly { readonly platforms: string[]; readonly referrers?: boolean }[]) => {
    const options = { ...EVERYTHING, exact: exact.map((one) => ({ ...wish, ...one })) }
    const { picked, release } = await pickImages(store, options, 0)
    release()
    return picked.repositories[0]?.images.flatMap(({ manifests }) => manifests).length
  }
  t.equal(await pick({ platforms: ['linux/arm64'] }), 2, 'the index and one child')
  t.equal(await pick({ platforms: ['linux/arm64'] }, { platforms: ['linux/amd64'] }), 3)
  t.equal(await pick({ platforms: ['linux/arm64'] }, { platforms: [] }), 3)
  t.equal(await pick({ platforms: ['linux/arm64'] }, { platforms: [], referrers: true }), 5, 'what refers to them too')
  t.equal(await pick(), undefined, 'an empty list is nothing, not everything')
})
