import { writeFileSync } from 'node:fs'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { readSubjectTag, subjectTagOf } from '../../src/oci/subject-tag.ts'
import { findStaying } from '../../src/registry/retention-followers.ts'
import type { Ground } from '../helpers/retention.ts'
import { DAY, makeGround, policyOf } from '../helpers/retention.ts'
import { A } from '../helpers/store.ts'

const UNTAGGED = [policyOf([{ tags: 'keep.*' }], { untaggedAfter: 7 * DAY })]
const TAGGED = [policyOf([{ tags: 'keep.*' }])]

const signatureOf = (digest: Digest, ending = '.sig'): string => `${subjectTagOf(digest)}${ending}`

function sign(ground: Ground, digest: Digest, ending = '.sig'): Digest {
  const signature = ground.image(A, `${digest}${ending}`)
  ground.tag(A, signatureOf(digest, ending), signature)
  return signature
}

const gone = async (ground: Ground, policies = UNTAGGED, options = {}): Promise<string[]> =>
  (await ground.apply(policies, options)).removed.map(({ tag }) => tag)

t.test('tags that follow a digest are known by their form', async (t) => {
  const [one, long] = [digestOf(Buffer.from('one')), digestOf(Buffer.from('one'), 'sha512')]
  t.equal(readSubjectTag(signatureOf(one)), subjectTagOf(one))
  t.equal(readSubjectTag(signatureOf(one, '')), subjectTagOf(one))
  t.equal(readSubjectTag(signatureOf(long, '.att')), `sha512-${long.slice(7, 71)}`)
  for (const tag of [
    'latest',
    `${subjectTagOf(one)}0`,
    subjectTagOf(one).slice(0, -1),
    `x${subjectTagOf(one)}`,
    `${subjectTagOf(one)}sig`,
    subjectTagOf(one).toUpperCase(),
  ]) {
    t.equal(readSubjectTag(tag), undefined, tag)
  }
})

t.test('what stays leads to children, referrers, their followers, and on from these', async (t) => {
  const digests = ['root', 'child', 'sbom', 'sig', 'sigsig', 'other', 'otherSig'].map((text) =>
    digestOf(Buffer.from(text)),
  )
  const [root, child, sbom, sig, sigsig, other, otherSig] = digests as [
    Digest,
    Digest,
    Digest,
    Digest,
    Digest,
    Digest,
    Digest,
  ]
  const revision = (digest: Digest, children: Digest[] = [], subject?: Digest) => {
    const part = (of: Digest) => ({ mediaType: '', digest: of, size: 0 })
    return [
      digest,
      { digest, manifest: { manifests: children.map(part), ...(subject && { subject: part(subject) }) } },
    ] as const
  }
  const revisions = new Map([
    revision(root, [child]),
    revision(child, [root]),
    revision(sbom, [], child),
    revision(sig),
    revision(sigsig),
    revision(other, [], otherSig),
  ])
  const followers = [
    { tag: 'sbom.sig', target: sig, key: subjectTagOf(sbom) },
    { tag: 'sig.sig', target: sigsig, key: subjectTagOf(sig) },
    { tag: 'other.sig', target: otherSig, key: subjectTagOf(other) },
  ]
  t.same([...findStaying([root], revisions, followers)], ['sbom.sig', 'sig.sig'])
  t.same([...findStaying([], revisions, followers)], [])
})

t.test('signatures stay and go with their image, and no rule judges them', async (t) => {
  const ground = makeGround(t.testdir({}))
  const [kept, left] = [ground.image(A, 'kept'), ground.image(A, 'left')]
  ground.tag(A, 'keep', kept)
  ground.tag(A, 'v1', left)
  for (const ending of ['', '.sig', '.att', '.sbom']) sign(ground, kept, ending)
  for (const ending of ['', '.sig', '.att', '.sbom']) sign(ground, left, ending)
  const policies = [policyOf([{ newest: 1, tags: 'keep' }, { tags: `${subjectTagOf(left)}.*` }], { untaggedAfter: 0 })]
  const first = await ground.apply(policies)
  t.same(
    first.removed.map(({ tag }) => tag),
    ['v1'],
    'collection waits from now on, and so do they',
  )
  t.match(first.keptBy, { rules: [{ tags: 1 }, { tags: 0 }], following: 8 })
  t.match(first.manifests, { untagged: 1, collectable: 1 })
  t.same((await ground.apply(policies)).removed, [], 'the image is promised for the time of a lease')
  ground.endLeases()
  const report = await ground.apply(policies)
  t.same(
    report.removed.map(({ tag }) => tag),
    ['', '.att', '.sbom', '.sig'].map((ending) => signatureOf(left, ending)),
  )
  t.equal(report.removed[1]?.why, 'what it belongs to goes')
  t.match(report.keptBy, { rules: [{ tags: 1 }, { tags: 0 }], following: 4 })
  t.match(report.manifests, { untagged: 4, collectable: 4 })
})

t.test('they stay while their image stays without a tag', async (t) => {
  const ground = makeGround(t.testdir({}))
  const image = ground.image(A, 'left')
  ground.tag(A, 'v1', image)
  sign(ground, image)
  t.same(await gone(ground, TAGGED), ['v1'], 'collection takes no untagged manifest')
  t.same(await gone(ground, [policyOf([{ tags: 'keep' }], { untaggedAfter: 200 * DAY })]), [], 'it is too young')
  await ground.pins.add('p', { reason: '', images: [{ name: A, digest: image }], blobs: [] })
  t.same(await gone(ground), [], 'it is pinned')
  await ground.pins.remove('p')
  ground.endLeases()
  const list = ground.index(A, [image])
  ground.tag(A, 'keep-list', list)
  t.same(await gone(ground), [], 'an index that stays has it')
  await ground.store.tags.remove(A, 'keep-list' as Tag)
  t.same(await gone(ground, TAGGED, { untagged: true, dryRun: true }), [signatureOf(image)], 'gc.untagged')
  ground.store.leases.lease(list)
  t.same(await gone(ground), [], 'a client was told that the index exists, and may tag it')
  ground.endLeases()
  ground.store.leases.lease(image)
  t.same(await gone(ground), [], 'a client was told that it exists')
})

t.test('they go when what they belong to is not here, but not at once', async (t) => {
  const ground = makeGround(t.testdir({}))
  ground.tag(A, 'keep', ground.image(A, 'kept'))
  const lost = digestOf(Buffer.from('lost'))
  sign(ground, lost)
  ground.tag(A, signatureOf(lost, '.att'), ground.image(A, 'young'), 0.5)
  const report = await ground.apply(TAGGED)
  t.match(report.removed, [{ tag: signatureOf(lost), why: 'what it belongs to is not here' }])
  t.same(await ground.tags(A), ['keep', signatureOf(lost, '.att')])
})

t.test('the signature of a child that an index names stays though the child is not here', async (t) => {
  const ground = makeGround(t.testdir({}))
  const child = digestOf(Buffer.from('sparse'))
  ground.tag(A, 'keep', ground.index(A, [child]))
  sign(ground, child)
  t.same(await gone(ground), [])
  t.same(await gone(ground, TAGGED), [])
})

t.test('a signature of a signature goes with it, and stays with a pinned one', async (t) => {
  const ground = makeGround(t.testdir({}))
  const image = ground.image(A, 'left')
  const signature = sign(ground, image)
  sign(ground, signature)
  await ground.pins.add('p', { reason: '', images: [{ name: A, tag: signatureOf(image) as Tag }], blobs: [] })
  t.same(await gone(ground), [])
  await ground.pins.remove('p')
  ground.endLeases()
  t.same((await gone(ground)).toSorted(), [signatureOf(image), signatureOf(signature)].toSorted())
})

t.test('a signature stays when a tag comes to its image, or any tag stays after all, meanwhile', async (t) => {
  const ground = makeGround(t.testdir({}))
  const image = ground.image(A, 'left')
  const other = ground.image(A, 'other')
  ground.tag(A, 'v1', other)
  sign(ground, image)
  const at = (time: number, act: () => void) => {
    let asked = 0
    return { list: () => (++asked === time && act(), ground.pins.list()) }
  }
  const options = { dryRun: true, pins: at(2, () => ground.tag(A, 'new', image)) }
  t.same(await gone(ground, UNTAGGED, options), ['v1'])
  await ground.store.tags.remove(A, 'new' as Tag)
  t.same(await gone(ground, UNTAGGED, { pins: at(2, () => ground.tag(A, 'v1', image, 1)) }), [])
  ground.tag(A, 'v1', other)
  const pin = { id: 'p', reason: '', images: [{ name: A, tag: 'v1' as Tag }], blobs: [] }
  let asked = 0
  const pinnedMeanwhile = { list: () => (++asked === 2 ? { pins: [pin], unreadable: [] } : ground.pins.list()) }
  t.same(await gone(ground, UNTAGGED, { pins: pinnedMeanwhile }), [])
  t.same(await gone(ground, UNTAGGED), ['v1', signatureOf(image)])
})

t.test('what cannot be read could name it: then nothing goes', async (t) => {
  const ground = makeGround(t.testdir({}))
  const image = ground.image(A, 'left')
  ground.tag(A, 'v1', image)
  sign(ground, image)
  const other = ground.index(A, [image])
  writeFileSync(ground.store.layout.blobData(other), 'torn')
  const report = await ground.apply(UNTAGGED)
  t.match(report, { removed: [], repositories: { left: 1 }, problems: [{ what: /digest/ }] })
})
