import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { digestOf } from '../../../src/oci/digest.ts'
import { parseTag } from '../../../src/oci/reference.ts'
import { inside, makeImages, plantStored, plantTagged } from '../../helpers/checking.ts'
import { imageOf, indexOf, partOf, plantFile } from '../../helpers/plant.ts'
import { survey } from '../../../src/storage/check/survey.ts'
import { faultsOf, listFaults, surveyAll } from '../../helpers/surveying.ts'

/** Turns one bit of a file. */
function flip(path: string, at = 10): void {
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

t.test('a bit that turned in a layer is found by its hash, and not by a fast check', async (t) => {
  const { store, one } = makeImages(t)
  const path = store.layout.blobData(one.layer)
  flip(path)
  const [fault] = listFaults(store)
  t.match(fault, { kind: 'blob-wrong', path, digest: one.layer, repository: one.name, size: 5000, aliases: undefined })
  t.same(faultsOf(store, { fast: true }), [])
})

t.test('a layer that was cut short is found, by a fast check too', async (t) => {
  const { store, one } = makeImages(t)
  const path = store.layout.blobData(one.layer)
  truncateSync(path, 4096)
  const expected = [`blob-wrong ${inside(store, path)}`]
  t.same(faultsOf(store), expected)
  t.same(faultsOf(store, { fast: true }), expected)
  t.match(listFaults(store)[0]?.what, /4096 bytes in place of 5000/)
})

t.test('a blob that nobody names is hashed as well', async (t) => {
  const { store } = makeImages(t)
  const path = plantFile(store.layout.blobData(digestOf(Buffer.from('nobody'))), 'nobodY')
  t.same(faultsOf(store), [`blob-wrong ${inside(store, path)}`])
})

t.test('a manifest whose bytes are wrong is found once, and by a fast check too', async (t) => {
  const { store, one } = makeImages(t)
  const path = store.layout.blobData(one.manifest)
  flip(path)
  t.same(faultsOf(store), [`blob-wrong ${inside(store, path)}`])
  t.same(faultsOf(store, { fast: true }), [`blob-wrong ${inside(store, path)}`])
})

t.test('a revision whose bytes are right and no manifest is found', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  plantFile(layout.revisionLink(one.name, one.layer), one.layer)
  t.same(faultsOf(store), [`manifest-invalid ${inside(store, layout.blobData(one.layer))}`])
})

t.test('a blob that the disk does not give is found, with the word of the disk', async (t) => {
  const { store, one } = makeImages(t)
  const path = store.layout.blobData(one.layer)
  rmSync(path)
  // Reading the first byte of this process's memory is an I/O error.
  symlinkSync('/proc/self/mem', path)
  t.match(listFaults(store), [{ kind: 'blob-unreadable', path, corrupt: true, what: /EIO/ }])
})

t.test('a lost blob is missed by the manifest that needs it, and by a fast check too', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  rmSync(layout.blobData(one.layer))
  const expected = [`blob-missing ${inside(store, layout.blobData(one.layer))}`]
  t.same(faultsOf(store), expected)
  t.same(faultsOf(store, { fast: true }), expected)
  t.match(listFaults(store), [{ size: 5000, witness: layout.revisionLink(one.name, one.manifest) }])
})

t.test('a lost manifest is missed by its link', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  rmSync(layout.blobData(one.manifest))
  t.same(faultsOf(store), [`blob-missing ${inside(store, layout.blobData(one.manifest))}`])
})

t.test('a blob that is needed and in the trash is told; one that is not needed is nothing', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  renameSync(layout.blobData(one.layer), layout.blobTrash(one.layer))
  plantFile(layout.blobTrash(digestOf(Buffer.from('old'))), 'wrong, and nobody minds')
  t.same(faultsOf(store), [`blob-in-trash ${inside(store, layout.blobData(one.layer))}`])
})

t.test('quarantined files are no findings', async (t) => {
  const { store, one } = makeImages(t)
  plantFile(store.layout.quarantined(one.layer, 1), 'wrong')
  t.same(faultsOf(store), [])
})

t.test('an empty, a torn and an exchanged link are found in each place', async (t) => {
  const { store, one, two } = makeImages(t)
  const { layout } = store
  const links = [
    layout.layerLink(one.name, one.layer),
    layout.revisionLink(one.name, one.manifest),
    layout.tagIndexLink(one.name, one.tag, one.manifest),
  ]
  for (const content of ['', one.layer.slice(0, 30), `${one.layer}\n`, two.config]) {
    for (const path of links) {
      const before = readFileSync(path)
      writeFileSync(path, content)
      t.same(faultsOf(store), [`link-wrong ${inside(store, path)}`], `${content} in ${path}`)
      writeFileSync(path, before)
    }
  }
})

t.test('a link that the disk does not give is told with what its path says', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  const links = [
    layout.layerLink(one.name, one.layer),
    layout.revisionLink(one.name, one.manifest),
    layout.tagIndexLink(one.name, one.tag, one.manifest),
  ]
  for (const path of links) {
    rmSync(path)
    symlinkSync('/proc/self/mem', path)
    t.match(listFaults(store), [{ kind: 'link-wrong', path, what: /EIO/ }], path)
    rmSync(path)
    plantFile(path, /_layers/.test(path) ? one.layer : one.manifest)
  }
  const tag = layout.tagLink(one.name, one.tag)
  rmSync(tag)
  symlinkSync('/proc/self/mem', tag)
  t.same(faultsOf(store), [`tag-wrong ${inside(store, tag)}`])
})

t.test('a link that a manifest needs and that is lost is found', async (t) => {
  const { store, one } = makeImages(t)
  const path = store.layout.layerLink(one.name, one.config)
  rmSync(path)
  t.same(faultsOf(store), [`link-missing ${inside(store, path)}`])
})

t.test('a revision link that a tag needs and that is lost is found', async (t) => {
  const { store, one } = makeImages(t)
  const path = store.layout.revisionLink(one.name, one.manifest)
  rmSync(path)
  t.same(faultsOf(store), [`link-missing ${inside(store, path)}`])
})

t.test('a link to a blob that is not here and that no manifest needs dangles', async (t) => {
  const { store, one } = makeImages(t)
  const lost = digestOf(Buffer.from('lost'))
  const path = plantFile(store.layout.layerLink(one.name, lost), lost)
  t.match(listFaults(store), [{ kind: 'link-dangling', path, digest: lost, certain: true }])
  flip(store.layout.blobData(one.manifest))
  const uncertain = listFaults(store).find(({ kind }) => kind === 'link-dangling')
  t.match(uncertain, { certain: false }, 'a manifest that cannot be read may need it')
})

t.test('tags that are torn, lost, or lead to what they never pointed to are found', async (t) => {
  const { store, one, two } = makeImages(t)
  const { layout } = store
  const path = layout.tagLink(one.name, one.tag)
  const expected = [`tag-wrong ${inside(store, path)}`]
  for (const content of ['', 'sha256:0', two.manifest, one.layer]) {
    writeFileSync(path, content)
    t.same(faultsOf(store), expected, content)
  }
  rmSync(path)
  t.same(faultsOf(store), expected, 'lost')
  // Another manifest of the same repository, to which this tag never pointed.
  const other = plantTagged(store, one.name, 'other', imageOf(partOf(readFileSync(layout.blobData(one.config)))))
  writeFileSync(path, other)
  t.same(faultsOf(store), expected, 'exchanged')
})

t.test('a tag that went back to what it pointed to before is right', async (t) => {
  const { store, one } = makeImages(t)
  const config = readFileSync(store.layout.blobData(one.config))
  plantTagged(store, one.name, 'v1', imageOf(partOf(config)))
  t.same(faultsOf(store), [])
  writeFileSync(store.layout.tagLink(one.name, one.tag), one.manifest)
  t.same(faultsOf(store), [])
})

t.test('what an interrupted push or a deletion leaves is no finding', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  mkdirSync(layout.tag(one.name, parseTag('empty')))
  mkdirSync(dirname(layout.layerLink(one.name, digestOf(Buffer.from('gone')))))
  mkdirSync(dirname(layout.blobData(digestOf(Buffer.from('gone')))), { recursive: true })
  // The history keeps what a deletion of a revision leaves.
  const old = digestOf(Buffer.from('old'))
  plantFile(layout.tagIndexLink(one.name, one.tag, old), old)
  plantFile(`${layout.uploads(one.name)}/6b8a0e53-2c87-4c3e-9d0c-0d5f6f3f1a11/data`, 'half')
  t.same(faultsOf(store), [])
})

t.test('an alias is right when the bytes hash to both, and wrong else', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  const bytes = readFileSync(layout.blobData(one.layer))
  const path = layout.layerLink(one.name, digestOf(bytes, 'sha512'))
  plantFile(path, one.layer)
  t.same(faultsOf(store), [])
  writeFileSync(path, one.config)
  t.match(listFaults(store), [{ kind: 'link-wrong', path, target: one.config }])
  writeFileSync(path, one.layer)
  flip(layout.blobData(one.layer))
  t.match(listFaults(store), [{ kind: 'blob-wrong', aliases: [digestOf(bytes, 'sha512')] }])
})

t.test('blobs and manifests that are stored by sha512 are hashed by it', async (t) => {
  const { store, one } = makeImages(t)
  const bytes = Buffer.from('stored by sha512')
  const digest = digestOf(bytes, 'sha512')
  const path = plantFile(store.layout.blobData(digest), bytes)
  plantFile(store.layout.layerLink(one.name, digest), digest)
  t.same(faultsOf(store), [])
  flip(path, 3)
  t.same(faultsOf(store), [`blob-wrong ${inside(store, path)}`])
})

t.test(
  'layers with urls, children of an index and subjects may be elsewhere; an index without a child is a note',
  async (t) => {
    const { store, one } = makeImages(t)
    const config = readFileSync(store.layout.blobData(one.config))
    const foreign = { ...partOf(Buffer.from('elsewhere')), urls: ['https://example.com/layer'] }
    const subject = { mediaType: 'application/vnd.oci.image.manifest.v1+json', ...partOf(Buffer.from('no subject')) }
    const manifest = imageOf(partOf(config), [foreign], { subject })
    plantTagged(store, one.name, 'foreign', manifest)
    const index = plantTagged(store, one.name, 'index', indexOf([partOf(manifest), partOf(Buffer.from('absent'))]))
    t.match(listFaults(store), [
      { kind: 'sparse-index', path: store.layout.revisionLink(one.name, index), what: /^1 of 2 / },
    ])
  },
)

t.test('a manifest that is wrong about a size is a note, when the bytes are right', async (t) => {
  const { store, one } = makeImages(t)
  const config = plantStored(store, one.name, Buffer.from('{"os":"linux"}'))
  plantTagged(store, one.name, 'liar', imageOf({ digest: config, size: 7 }))
  const expected = [`wrong-size ${inside(store, store.layout.blobData(config))}`]
  t.same(faultsOf(store), expected)
  t.same(faultsOf(store, { fast: true }), expected)
  flip(store.layout.blobData(config))
  t.same(faultsOf(store), [`blob-wrong ${inside(store, store.layout.blobData(config))}`])
})

t.test('strays and repositories of one half are notes', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  const strays = [
    plantFile(`${layout.blobs}/sha256/zz`, ''),
    plantFile(`${layout.repositories}/_notes`, ''),
    plantFile(`${layout.tags(one.name)}/.DS_Store`, ''),
    plantFile(`${layout.layers(one.name)}/md5/x`, '').slice(0, -2),
  ]
  const half = layout.repository(one.name).replace(/a$/, 'half')
  mkdirSync(`${half}/_layers`, { recursive: true })
  t.same(
    faultsOf(store).toSorted(),
    [
      ...strays.map((path) => `stray ${inside(store, path)}`),
      `incomplete-repository ${inside(store, half)}`,
    ].toSorted(),
  )
})

t.test('with globs only those repositories are read, and the blobs that they name', async (t) => {
  const { store, one, two } = makeImages(t)
  flip(store.layout.blobData(one.layer))
  flip(store.layout.blobData(two.layer))
  plantFile(store.layout.blobData(digestOf(Buffer.from('nobody'))), 'nobodY')
  t.same(faultsOf(store, { repositories: ['*/b'] }), [`blob-wrong ${inside(store, store.layout.blobData(two.layer))}`])
  t.same(faultsOf(store, { repositories: ['team/a'] }), [
    `blob-wrong ${inside(store, store.layout.blobData(one.layer))}`,
  ])
  const unmatched = surveyAll(store, { repositories: ['team/*', 'team', 'other/**'] }).find(
    ({ type }) => type === 'unmatched',
  )
  t.match(unmatched, { globs: ['team', 'other/**'] })
})

t.test('a blob that two repositories hold is told once for each, a link for its own', async (t) => {
  const { store, one, two } = makeImages(t)
  plantStored(store, two.name, readFileSync(store.layout.blobData(one.config)))
  rmSync(store.layout.blobData(one.config))
  const kinds = listFaults(store).map(({ kind, repository }) => `${kind} ${repository}`)
  t.same(kinds, ['blob-missing team/a', 'link-dangling team/b'])
})

t.test('a survey goes on after a blob, and reads no repository then', async (t) => {
  const { store, one, two } = makeImages(t)
  const sorted = [one.config, one.layer, one.manifest, two.config, two.layer, two.manifest].toSorted()
  for (const digest of sorted) flip(store.layout.blobData(digest))
  const after = sorted[3] ?? ''
  t.same(
    listFaults(store, { after }).map(({ digest }) => digest),
    sorted.slice(4),
  )
  const last = surveyAll(store, { after }).findLast(({ type }) => type === 'progress')
  t.match(last, { cursor: sorted[5] })
})

t.test('a survey that goes on is paced by what is left', async (t) => {
  const { store, one, two } = makeImages(t)
  const sorted = [one.config, one.layer, one.manifest, two.config, two.layer, two.manifest].toSorted()
  for (const after of ['', sorted[3] ?? ''] as const) {
    let now = 0
    const sleep = (milliseconds: number): void => void (now += milliseconds)
    const pace = { rate: 1, within: 60_000 }
    const options = { root: store.directory, fast: false, repositories: [], after, pace }
    survey(options, { send: () => undefined, sleep, clock: () => now })
    t.ok(now > 55_000 && now < 61_000, `${now} ms after ${after}`)
  }
})

t.test('an empty directory, and one that is none, have no findings', async (t) => {
  const { store } = makeImages(t)
  rmSync(`${store.directory}/docker`, { recursive: true })
  t.same(faultsOf(store), [])
})
