import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import t from 'tap'
import { distributionSource } from '../../src/exchange/distribution-source.ts'
import { openTree } from '../../src/exchange/open-tree.ts'
import { storeSource } from '../../src/exchange/store-source.ts'
import { storeTarget } from '../../src/exchange/store-target.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { copyAll, namesOf } from '../helpers/exchanged.ts'
import { APP, OTHER, openRegistry, pushFull, pushImage } from '../helpers/images.ts'

t.test('a data directory, and tars of it packed or not, have the same images', async (t) => {
  const directory = t.testdir({ here: {} })
  const here = openRegistry(`${directory}/here`)
  const { digest, cosign, referrer } = await pushFull(here, APP, 'v1')
  await pushImage(here, OTHER, ['x'], { tag: 'v2' })
  execFileSync('tar', ['-cf', `${directory}/a.tar`, '-C', `${directory}/here`, 'docker'])
  execFileSync('tar', ['-zcf', `${directory}/a.tar.gz`, '-C', `${directory}/here`, '.'])
  const names = await namesOf(storeSource(here, 'here'))
  for (const [index, place] of ['here', 'a.tar', 'a.tar.gz'].entries()) {
    const source = await distributionSource([await openTree(`${directory}/${place}`)], place)
    t.same(await namesOf(source), names, place)
    execFileSync('mkdir', [`${directory}/there${index}`])
    const there = openRegistry(`${directory}/there${index}`)
    t.match(await copyAll(source, storeTarget(there, 'there')), { counts: { failed: 0, incomplete: 0 } })
    t.equal(there.store.tags.resolve(APP, 'v1' as Tag), digest)
    t.ok(there.store.tags.resolve(APP, cosign))
    t.ok(there.store.manifests.resolve(APP, digestOf(referrer)))
    await source.close()
  }
})

t.test('several tars are one source, and what none of them has is told by its digest', async (t) => {
  const directory = t.testdir({ here: {}, there: {} })
  const here = openRegistry(`${directory}/here`)
  await pushImage(here, APP, ['base', 'layer'], { tag: 'v1' })
  const missing = digestOf(Buffer.from('layer'))
  const all = ['-C', `${directory}/here`]
  execFileSync('tar', ['-cf', `${directory}/1.tar`, ...all, 'docker/registry/v2/repositories'])
  execFileSync('tar', [
    '-cf',
    `${directory}/2.tar`,
    ...all,
    `--exclude=${missing.slice(7)}`,
    'docker/registry/v2/blobs',
  ])
  execFileSync('tar', ['-cf', `${directory}/3.tar`, ...all, `docker/registry/v2/blobs/sha256/${missing.slice(7, 9)}`])
  const open = async (...numbers: readonly number[]) =>
    distributionSource(await Promise.all(numbers.map((number) => openTree(`${directory}/${number}.tar`))), 'tars')
  const there = openRegistry(`${directory}/there`)
  const part = await open(1, 2)
  t.match(await copyAll(part, storeTarget(there, 'there')), {
    images: [{ state: 'failed', why: missing, hint: /before it/ }],
  })
  t.match(await copyAll(await open(1, 2, 3), storeTarget(there, 'there')), { counts: { copied: 1 } })
  await t.rejects(open(2, 3), { message: /has no images of a registry/ })
})

t.test('slices of a blob, each in another tar, are one blob, and nothing where one of them is missing', async (t) => {
  const directory = t.testdir({ here: {}, there: {} })
  const here = openRegistry(`${directory}/here`)
  await pushImage(here, APP, ['base', 'a layer'], { tag: 'v1' })
  const digest = digestOf(Buffer.from('a layer'))
  const blob = here.store.layout.blob(digest)
  rmSync(here.store.layout.blobData(digest))
  const cut = (number: number): string => `${blob}/slice-000${number}-of-0003`
  for (const [at, text] of ['a l', 'ay', 'er'].entries()) writeFileSync(cut(at + 1), text)
  const all = ['-C', `${directory}/here`, 'docker']
  for (const number of [1, 2, 3]) {
    const others = [1, 2, 3].filter((each) => each !== number).map((each) => `--exclude=${basename(cut(each))}`)
    execFileSync('tar', ['-cf', `${directory}/${number}.tar`, ...others, ...all])
  }
  const open = async (...numbers: readonly number[]) =>
    distributionSource(await Promise.all(numbers.map((number) => openTree(`${directory}/${number}.tar`))), 'tars')
  const there = openRegistry(`${directory}/there`)
  t.match(await copyAll(await open(1, 3), storeTarget(there, 'there')), { images: [{ state: 'failed', why: digest }] })
  t.match(await copyAll(await open(3, 1, 2), storeTarget(there, 'there')), { counts: { copied: 1 } })
})
