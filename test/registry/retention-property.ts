// Random directories: what retention removes is what the plainest reading of its rules says, and a dry run says the same.
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { subjectTagOf } from '../../src/oci/subject-tag.ts'
import { compareVersions, parseVersion } from '../../src/registry/retention-version.ts'
import type { Keep } from '../helpers/retention.ts'
import { DAY, keepRule, makeGround, policyOf } from '../helpers/retention.ts'
import { A } from '../helpers/store.ts'

const IMAGES = 5
const day = fc.integer({ min: 1, max: 9 })
const image = fc.integer({ min: 0, max: IMAGES - 1 })
/** An image, or beyond them an index. */
const target = fc.integer({ min: 0, max: IMAGES + 1 })
const TAGS = ['v1.0', 'v1.1', 'v1.10-rc.1', 'v1.10', 'v2-amd64', '3.0_1', 'latest', 'main', 'a', 'b']

const Scene = fc.record({
  indexes: fc.tuple(fc.uniqueArray(image, { maxLength: 3 }), fc.uniqueArray(image, { maxLength: 3 })),
  subjects: fc.array(fc.tuple(image, image), { maxLength: 2 }),
  tags: fc.uniqueArray(fc.record({ tag: fc.constantFrom(...TAGS), target, pushed: day }), {
    selector: ({ tag }) => tag,
    maxLength: 8,
  }),
  signed: fc.uniqueArray(target, { maxLength: 4 }),
  resigned: fc.boolean(),
  pulls: fc.array(fc.tuple(target, day), { maxLength: 5 }),
  pinnedTag: fc.option(fc.constantFrom(...TAGS), { nil: undefined }),
  pinnedTarget: fc.option(target, { nil: undefined }),
  untaggedAfter: fc.constantFrom(undefined, 5 * DAY, 500 * DAY),
  rules: fc.array(
    fc.record(
      {
        tags: fc.constantFrom('.*', 'v.*', '[a-z]+', 'v1\\.1.*'),
        by: fc.constantFrom('date' as const, 'semver' as const),
        newest: fc.integer({ min: 1, max: 3 }),
        pulledWithin: day.map((days) => (days + 0.5) * DAY),
        pushedWithin: day.map((days) => (days + 0.5) * DAY),
      },
      { requiredKeys: ['tags', 'by'] },
    ),
    { minLength: 1, maxLength: 3 },
  ),
})

interface Known {
  readonly tag: string
  readonly target: Digest
  /** Days ago. */
  readonly pushed: number
}

function keeps(rule: Keep, tag: Known, all: readonly Known[], pulled: (digest: Digest) => number): boolean {
  const matches = (other: Known): boolean => new RegExp(`^(${rule.tags})$`).test(other.tag)
  const isVersion = (other: Known): boolean => parseVersion(other.tag) !== undefined
  const isNewer = (a: Known, b: Known): boolean => {
    const [x, y] = [parseVersion(a.tag), parseVersion(b.tag)]
    const version =
      x !== undefined && y !== undefined ? compareVersions(x, y) : Number(isVersion(a)) - Number(isVersion(b))
    const orders = rule.by === 'date' ? [b.pushed - a.pushed, version] : [version, b.pushed - a.pushed]
    return (orders.find((order) => order !== 0) ?? (a.tag > b.tag ? 1 : -1)) > 0
  }
  if (!matches(tag)) return false
  if (rule.pushedWithin !== undefined && tag.pushed * DAY > rule.pushedWithin) return false
  if (rule.pulledWithin !== undefined && Math.min(tag.pushed, pulled(tag.target)) * DAY > rule.pulledWithin)
    return false
  if (rule.newest === undefined) return true
  const counted = all.filter((other) => matches(other) && (rule.by === 'date' || isVersion(other)))
  return counted.includes(tag) && counted.filter((other) => isNewer(other, tag)).length < rule.newest
}

t.test('what is removed is what the plainest computation says', async (t) => {
  const root = t.testdir({})
  let run = 0
  await fc.assert(
    fc.asyncProperty(Scene, async (scene) => {
      const ground = makeGround(join(root, String((run += 1))))
      const subjectOf = new Map(scene.subjects)
      const digests: Digest[] = []
      for (let index = 0; index < IMAGES; index += 1) {
        const subject = digests[subjectOf.get(index) ?? IMAGES]
        digests.push(
          ground.image(
            A,
            `i${index}`,
            subject === undefined ? {} : { subject: { mediaType: 'x/y', digest: subject, size: 1 } },
          ),
        )
      }
      const images = [...digests]
      const at = (index: number): Digest => digests[index] as Digest
      // Told apart also when they list the same.
      const indexes = scene.indexes.map((children, index) =>
        ground.index(A, children.map(at), { annotations: { n: `${index}` } }),
      )
      digests.push(...indexes)
      const childrenOf = (digest: Digest): Digest[] => (scene.indexes[indexes.indexOf(digest)] ?? []).map(at)

      const followers = scene.signed.map((index) => ({ of: at(index), digest: ground.image(A, `signature ${index}`) }))
      const [first] = followers
      if (scene.resigned && first !== undefined)
        followers.push({ of: first.digest, digest: ground.image(A, 'signature of a signature') })

      // The clock is at 90 days ahead while pulls are noted, and all of them lie between the record's begin and now.
      const pulledAt = new Map<Digest, number>()
      for (const [index, days] of scene.pulls.toSorted((a, b) => b[1] - a[1])) {
        ground.store.turn(-days * DAY)
        ground.pulls.note(A, at(index))
        ground.store.turn(days * DAY)
        pulledAt.set(at(index), days)
      }
      const pulled = (digest: Digest): number =>
        Math.min(...[digest, ...childrenOf(digest)].map((each) => pulledAt.get(each) ?? 99))
      const pulls = { since: 0, lastPulled: (name: string, digest: string) => ground.pulls.lastPulled(name, digest) }

      const tags = scene.tags.map(({ tag, target: index, pushed }) => ({ tag, target: at(index), pushed }))
      // Those of one day were pushed at once.
      const now = ground.store.clock()
      for (const { tag, target: digest, pushed } of tags) ground.tag(A, tag, digest, pushed, now)
      for (const { of, digest } of followers) ground.tag(A, `${subjectTagOf(of)}.sig`, digest, 9)
      const pins = [
        // Only what is here can be pinned.
        ...(tags.some(({ tag }) => tag === scene.pinnedTag) ? [{ name: A, tag: scene.pinnedTag as Tag }] : []),
        ...(scene.pinnedTarget === undefined ? [] : [{ name: A, digest: at(scene.pinnedTarget) }]),
      ]
      if (pins.length > 0) await ground.pins.add('p', { reason: '', images: pins, blobs: [] })
      ground.endLeases()

      const isPinned = (tag: Known): boolean =>
        pins.some((pin) => ('tag' in pin && pin.tag === tag.tag) || ('digest' in pin && pin.digest === tag.target))
      const rules = scene.rules.map(keepRule)
      const kept = tags.filter((tag) => isPinned(tag) || rules.some((rule) => keeps(rule, tag, tags, pulled)))
      // What loses its last tag now is as young as that.
      const stays = new Set(tags.map((tag) => tag.target))
      for (const pin of pins) if ('digest' in pin) stays.add(pin.digest)
      // Nothing untagged is collected, or nothing is old enough for it.
      if (scene.untaggedAfter !== 5 * DAY)
        for (const digest of [...digests, ...followers.map((each) => each.digest)]) stays.add(digest)
      for (let size = -1; size !== stays.size;) {
        size = stays.size
        for (const digest of stays) for (const child of childrenOf(digest)) stays.add(child)
        for (const [index, subject] of subjectOf)
          if (subject < index && stays.has(at(subject))) stays.add(images[index] as Digest)
        for (const { of, digest } of followers) if (stays.has(of)) stays.add(digest)
      }
      const expected = [
        ...tags.filter((tag) => !kept.includes(tag)).map(({ tag }) => tag),
        ...followers.filter(({ of }) => !stays.has(of)).map(({ of }) => `${subjectTagOf(of)}.sig`),
      ].toSorted()

      const policies = [
        policyOf(rules, scene.untaggedAfter === undefined ? {} : { untaggedAfter: scene.untaggedAfter }),
      ]
      const dry = await ground.apply(policies, { pulls, dryRun: true })
      t.same(dry.removed.map(({ tag }) => tag).toSorted(), expected)
      const before = await ground.tags(A)
      const done = await ground.apply(policies, { pulls })
      t.same(done.removed, dry.removed)
      t.same(
        await ground.tags(A),
        before.filter((tag) => !expected.includes(tag)),
      )
      t.same((await ground.apply(policies, { pulls, dryRun: true })).problems, [])
    }),
    { numRuns: 150 },
  )
})
