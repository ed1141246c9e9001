import {
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { dirSource } from '../../src/exchange/dir-source.ts'
import { DIR_MODE, dirTarget } from '../../src/exchange/dir-target.ts'
import { openTree } from '../../src/exchange/open-tree.ts'
import { storeSource } from '../../src/exchange/store-source.ts'
import { storeTarget } from '../../src/exchange/store-target.ts'
import { writeDirectory } from '../../src/exchange/write-directory.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { copyAll, namesOf } from '../helpers/exchanged.ts'
import { openRegistry, pushFull, pushImage } from '../helpers/images.ts'

const RELEASE = 'openshift/release' as RepositoryName

/** What oc would write of three tags, two of them one image, and of an index. */
async function makeDirectory(t: Test) {
  const directory = t.testdir({ here: {}, there: {}, dir: {} })
  const here = openRegistry(`${directory}/here`)
  const image = digestOf(await pushImage(here, RELEASE, ['base', 'etcd'], { tag: '4.4.10-etcd' }))
  await pushImage(here, RELEASE, ['base', 'etcd'], { tag: '4.4.10-same' })
  const { digest } = await pushFull(here, RELEASE, '4.4.10')
  const path = `${directory}/dir`
  const target = dirTarget(writeDirectory(path, { mode: DIR_MODE }), undefined, path)
  t.match(await copyAll(storeSource(here, 'here'), target, { referrers: false }), { counts: { failed: 0 } })
  return {
    directory,
    path,
    image,
    digest,
    manifests: `${path}/v2/${RELEASE}/manifests`,
    blobs: `${path}/v2/${RELEASE}/blobs`,
  }
}

/** Everything of the directory, in a fresh registry. */
async function take(directory: string, path: string) {
  rmSync(`${directory}/there`, { recursive: true })
  mkdirSync(`${directory}/there`)
  const there = openRegistry(`${directory}/there`)
  const source = await dirSource(await openTree(path), path)
  const names = await namesOf(source)
  const report = await copyAll(source, storeTarget(there, 'there'))
  return { names, report, source, tag: (tag: string) => there.store.tags.resolve(RELEASE, tag as Tag) }
}

t.test('what is written is what oc writes: links by tag, one file with two names, mode 0600', async (t) => {
  const { manifests, blobs, image, digest } = await makeDirectory(t)
  t.equal(readlinkSync(`${manifests}/4.4.10-etcd`), image)
  t.equal(readlinkSync(`${manifests}/4.4.10-same`), image)
  t.equal(readlinkSync(`${manifests}/4.4.10`), digest)
  t.equal(statSync(`${manifests}/${image}`).ino, statSync(`${blobs}/${image}`).ino)
  t.equal(statSync(`${blobs}/${image}`).mode & 0o777, 0o600)
  t.same(
    readdirSync(blobs).filter((name) => !/^sha256:[0-9a-f]{64}$/.test(name)),
    [],
  )
})

t.test('it comes in with its tags, from the directory and from one below or above', async (t) => {
  const { directory, path, image, digest } = await makeDirectory(t)
  for (const place of [path, `${path}/v2`]) {
    const { report, tag, source } = await take(directory, place)
    t.match(report.counts, { failed: 0, incomplete: 0 })
    t.same([tag('4.4.10-etcd'), tag('4.4.10-same'), tag('4.4.10')], [image, image, digest])
    t.same(source.untagged, [])
  }
})

const CHANGES: Readonly<Record<string, (manifests: string, blobs: string) => void>> = {
  'cp -L made files of the links'(manifests) {
    for (const name of readdirSync(manifests)) {
      if (!lstatSync(`${manifests}/${name}`).isSymbolicLink()) continue
      const bytes = readFileSync(`${manifests}/${name}`)
      unlinkSync(`${manifests}/${name}`)
      writeFileSync(`${manifests}/${name}`, bytes)
    }
  },
  'an archive for Windows made texts of the links'(manifests) {
    for (const name of readdirSync(manifests)) {
      if (!lstatSync(`${manifests}/${name}`).isSymbolicLink()) continue
      const text = readlinkSync(`${manifests}/${name}`)
      unlinkSync(`${manifests}/${name}`)
      writeFileSync(`${manifests}/${name}`, text)
    }
  },
  'oc on Windows wrote sha256- for sha256:'(manifests, blobs) {
    rename(manifests, blobs, (name) => name.replace(':', '-'))
  },
  'a program wrote sha256_ for sha256:, and left the links as they were'(manifests, blobs) {
    rename(manifests, blobs, (name) => name.replace(':', '_'), false)
  },
  'the manifests under their digests were left out'(manifests) {
    for (const name of readdirSync(manifests)) if (name.startsWith('sha256')) rmSync(`${manifests}/${name}`)
  },
}

function rename(manifests: string, blobs: string, change: (name: string) => string, links = true): void {
  for (const place of [manifests, blobs]) {
    for (const name of readdirSync(place)) {
      if (name.startsWith('sha256')) renameSync(`${place}/${name}`, `${place}/${change(name)}`)
      else if (links) {
        const to = change(readlinkSync(`${place}/${name}`))
        unlinkSync(`${place}/${name}`)
        symlinkSync(to, `${place}/${name}`)
      }
    }
  }
}

for (const [what, change] of Object.entries(CHANGES)) {
  t.test(`all tags are found where ${what}`, async (t) => {
    const { directory, path, image, digest, manifests, blobs } = await makeDirectory(t)
    change(manifests, blobs)
    const { report, tag } = await take(directory, path)
    t.match(report.counts, { failed: 0, incomplete: 0 }, JSON.stringify(report.images))
    t.same([tag('4.4.10-etcd'), tag('4.4.10-same'), tag('4.4.10')], [image, image, digest])
  })
}

t.test('where the links are gone altogether the images are there without tags, and it is known', async (t) => {
  const { directory, path, image, digest, manifests } = await makeDirectory(t)
  for (const name of readdirSync(manifests)) {
    if (lstatSync(`${manifests}/${name}`).isSymbolicLink()) unlinkSync(`${manifests}/${name}`)
  }
  const { names, source, report } = await take(directory, path)
  t.same(source.untagged, [RELEASE])
  for (const each of [image, digest]) t.ok(names.includes(`${RELEASE}@${each}`))
  t.match(report.counts, { failed: 0 })
})

t.test('a link that leads out of the directory is none', async (t) => {
  const { directory, path, manifests, blobs, image } = await makeDirectory(t)
  writeFileSync(`${directory}/secret`, '{"schemaVersion":2}')
  symlinkSync('../../../../../secret', `${manifests}/stolen`)
  unlinkSync(`${blobs}/${image}`)
  unlinkSync(`${manifests}/${image}`)
  symlinkSync(`${directory}/secret`, `${blobs}/${image}`)
  const { report, tag } = await take(directory, path)
  t.equal(tag('stolen'), undefined)
  t.match(
    report.images.filter(({ state }) => state === 'failed').map(({ from }) => from),
    [`${RELEASE}:4.4.10-etcd`, `${RELEASE}:4.4.10-same`],
  )
})

t.test('a directory of something else is refused', async (t) => {
  const path = t.testdir({ v2: { a: { manifests: {} } }, b: 'x' })
  await t.rejects(dirSource(await openTree(path), path), { message: /is no directory that oc wrote/ })
})
