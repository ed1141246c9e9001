import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import type { Tag } from '../../src/oci/reference.ts'
import type { RetentionReport } from '../../src/registry/retention-report.ts'
import type { PinList } from '../../src/storage/pins.ts'
import type { Ground } from '../helpers/retention.ts'
import { DAY, makeGround, policyOf } from '../helpers/retention.ts'
import { Mutex } from '../../src/storage/mutex.ts'
import { A, B } from '../helpers/store.ts'

const gone = ({ removed }: RetentionReport): string[] => removed.map(({ repository, tag }) => `${repository}:${tag}`)

/** Three images, each under its tag, pushed 10, 20 and 30 days ago. */
function plantThree(ground: Ground, name = A) {
  const digests = ['one', 'two', 'three'].map((note) => ground.image(name, note))
  for (const [index, digest] of digests.entries()) ground.tag(name, `v1.${3 - index}`, digest, 10 * (index + 1))
  return digests as [(typeof digests)[0], (typeof digests)[0], (typeof digests)[0]]
}

/** Pins that do something at the nth time that they are asked: first for the plan, then before each removal. */
function whenAsked(ground: Ground, time: number, act: () => void): { list(): PinList } {
  let asked = 0
  return {
    list() {
      asked += 1
      if (asked === time) act()
      return ground.pins.list()
    },
  }
}

t.test('without policies, or with policies without rules, nothing goes', async (t) => {
  const ground = makeGround(t.testdir({}))
  plantThree(ground)
  t.match(await ground.apply([]), { tags: { seen: 0, removed: 0 }, problems: [] })
  t.match(await ground.apply([policyOf([], { untaggedAfter: 1 })]), { tags: { seen: 0, removed: 0 } })
  t.equal((await ground.tags(A)).length, 3)
})

t.test('a dry run tells what a run does, and a run leaves nothing for the next one', async (t) => {
  const ground = makeGround(t.testdir({}))
  const [, two, three] = plantThree(ground)
  ground.pulls.note(A, two)
  ground.store.turn(3 * DAY)
  const policies = [policyOf([{ newest: 1 }])]
  const dry = await ground.apply(policies, { dryRun: true })
  t.same(await ground.tags(A), ['v1.1', 'v1.2', 'v1.3'])
  const done = await ground.apply(policies)
  t.same({ ...done, startedAt: '', seconds: 0, dryRun: true }, { ...dry, startedAt: '', seconds: 0 })
  t.match(done, {
    dryRun: false,
    repositories: { seen: 1, judged: 1, left: 0 },
    tags: { seen: 3, kept: 1, removed: 2 },
    keptBy: { rules: [{ policy: 1, rule: 1, tags: 1 }], pinned: 0, following: 0, changed: 0 },
    manifests: { untagged: 2, collectable: 0 },
    problems: [],
  })
  t.match(done.removed, [
    { repository: A, tag: 'v1.1', digest: three, why: 'not among the newest 1 by date' },
    { repository: A, tag: 'v1.2', digest: two, why: 'not among the newest 1 by date' },
  ])
  const [unpulled, pulled] = done.removed
  t.equal(unpulled?.lastPulled, undefined)
  t.equal(pulled?.lastPulled, new Date(Math.floor((ground.store.clock() - 3 * DAY) / 60_000) * 60_000).toISOString())
  t.equal(Math.round((ground.store.clock() - Date.parse(unpulled?.pushed ?? '')) / DAY), 33)
  t.same(await ground.tags(A), ['v1.3'])
  t.same(readdirSync(ground.store.layout.tags(A)), ['v1.3'])
  t.equal(ground.store.manifests.resolve(A, three), three, 'manifests are collection’s')
  t.match(await ground.apply(policies), { tags: { seen: 1, removed: 0 } })
})

t.test('the first policy that matches a repository is its only one', async (t) => {
  const ground = makeGround(t.testdir({}))
  for (const name of [A, B]) plantThree(ground, name)
  const policies = [
    policyOf([], { repositories: ['other', 'team/b'] }),
    policyOf([{ newest: 2 }], { repositories: ['{team,x}/*'], untaggedAfter: DAY }),
    policyOf([{ newest: 1 }]),
  ]
  const report = await ground.apply(policies)
  t.same(gone(report), ['team/a:v1.1'])
  t.match(report, {
    repositories: { seen: 2, judged: 1 },
    keptBy: {
      rules: [
        { policy: 2, rule: 1, tags: 2 },
        { policy: 3, rule: 1, tags: 0 },
      ],
    },
    manifests: { untagged: 1, collectable: 1 },
  })
})

t.test('pulled within: the tag’s image, any child of its index, or nobody knows yet', async (t) => {
  const ground = makeGround(t.testdir({}))
  const [one, two, three] = plantThree(ground)
  const child = ground.image(A, 'child')
  ground.tag(A, 'list', ground.index(A, [ground.index(A, [child]), digestOf(Buffer.from('not here'))]))
  const policies = [policyOf([{ pulledWithin: 7 * DAY }])]
  t.same(gone(await ground.apply(policies)), [], 'the record begins now')
  ground.store.turn(7 * DAY + 60_000)
  ground.pulls.note(A, one)
  ground.pulls.note(A, child)
  ground.pulls.note(B, two)
  t.same(gone(await ground.apply(policies, { dryRun: true })), ['team/a:v1.1', 'team/a:v1.2'])
  ground.store.turn(7 * DAY)
  t.same(gone(await ground.apply(policies, { dryRun: true })), ['team/a:v1.1', 'team/a:v1.2'])
  ground.store.turn(60_001)
  ground.tag(A, 'v1.2', two, 6)
  t.same(
    gone(await ground.apply(policies)),
    ['team/a:list', 'team/a:v1.1', 'team/a:v1.3'],
    'no pull is older than the push',
  )
  t.equal(ground.store.manifests.resolve(A, three), three)
})

t.test('times to come count as now', async (t) => {
  const ground = makeGround(t.testdir({}))
  const [, , three] = plantThree(ground)
  ground.tag(A, 'v1.1', three, -500)
  t.same(gone(await ground.apply([policyOf([{ pushedWithin: DAY }])])), ['team/a:v1.2', 'team/a:v1.3'])
})

t.test('what is pinned stays, by tag or by digest, and is no one of the newest because of it', async (t) => {
  const ground = makeGround(t.testdir({}))
  const [one, , three] = plantThree(ground)
  ground.tag(A, 'old', one, 50)
  await ground.pins.add('p', {
    reason: '',
    images: [
      { name: A, tag: 'v1.2' as Tag },
      { name: A, digest: three },
      { name: B, digest: ground.image(B, 'one') },
    ],
    blobs: [],
  })
  const report = await ground.apply([policyOf([{ newest: 1 }])])
  t.same(gone(report), ['team/a:old'])
  t.match(report.keptBy, { pinned: 2, rules: [{ tags: 1 }] })
})

t.test('a pin that cannot be read stops it all', async (t) => {
  const ground = makeGround(t.testdir({}))
  plantThree(ground)
  await ground.pins.add('p', { reason: '', images: [], blobs: [] })
  writeFileSync(join(ground.store.layout.pins, 'p.json'), '{"images"')
  const report = await ground.apply([policyOf([{ newest: 1 }])])
  t.match(report, {
    tags: { removed: 0 },
    problems: [{ path: '.tarn/state/pins/p.json', what: /a pin cannot be read/ }],
  })
  t.equal((await ground.tags(A)).length, 3)
})

t.test('a repository with a torn link or a lost index is left alone and told, the others are not', async (t) => {
  const root = t.testdir({})
  const base = 'docker/registry/v2/repositories/team/a/_manifests'
  const harm: readonly [string, (ground: Ground) => string][] = [
    [
      'a torn tag',
      (ground) => {
        writeFileSync(ground.store.layout.tagLink(A, 'v1.2' as Tag), '')
        return `${base}/tags/v1.2/current/link`
      },
    ],
    [
      'a torn revision',
      (ground) => {
        const digest = ground.image(A, 'untagged')
        writeFileSync(ground.store.layout.revisionLink(A, digest), 'sha256:12')
        return `${base}/revisions/sha256/${digest.slice(7)}/link`
      },
    ],
    [
      'an index whose bytes are wrong',
      (ground) => {
        const digest = ground.index(A, [])
        ground.tag(A, 'list', digest)
        writeFileSync(ground.store.layout.blobData(digest), '{}')
        return `docker/registry/v2/blobs/sha256/${digest.slice(7, 9)}/${digest.slice(7)}/data`
      },
    ],
  ]
  for (const [what, act] of harm) {
    const ground = makeGround(join(root, what.replaceAll(' ', '-')))
    for (const name of [A, B]) plantThree(ground, name)
    const path = act(ground)
    ground.store.turn(2 * DAY)
    const report = await ground.apply([policyOf([{ newest: 1 }, { pulledWithin: DAY, tags: 'list' }])])
    t.match(report, { repositories: { seen: 2, judged: 1, left: 1 }, problems: [{ path }] }, what)
    t.same(gone(report), ['team/b:v1.1', 'team/b:v1.2'], what)
    t.ok(existsSync(ground.store.layout.tagLink(A, 'v1.1' as Tag)), what)
  }
})

t.test('a tag that moves between the plan and the act stays', async (t) => {
  const root = t.testdir({})
  for (const dryRun of [true, false]) {
    const ground = makeGround(join(root, String(dryRun)))
    const [one] = plantThree(ground)
    const move = (): void => ground.tag(A, 'v1.1', one, 30)
    const report = await ground.apply([policyOf([{ newest: 1 }])], { dryRun, pins: whenAsked(ground, 2, move) })
    t.same(gone(report), ['team/a:v1.2'])
    t.equal(report.keptBy.changed, 1)
    t.equal(ground.store.tags.resolve(A, 'v1.1' as Tag), one)
  }
})

t.test('so does one that a push moves while retention waits for its turn', async (t) => {
  const ground = makeGround(t.testdir({}))
  const [one, two] = plantThree(ground)
  const pushed = Promise.withResolvers<void>()
  const push = ground.store.changes.run(A, async () => {
    await pushed.promise
    await ground.store.tags.set(A, 'v1.1' as Tag, one)
    // What is pushed again as it was is pushed now.
    await ground.store.tags.set(A, 'v1.2' as Tag, two)
  })
  const asked = Promise.withResolvers<void>()
  const { changes } = ground.store
  t.intercept(changes, 'run', {
    value: (...args: Parameters<typeof changes.run>) => {
      asked.resolve()
      return Mutex.prototype.run.apply(changes, args)
    },
  })
  const report = ground.apply([policyOf([{ newest: 1 }])])
  await asked.promise
  pushed.resolve()
  await push
  t.same(gone(await report), [])
  t.same(await ground.tags(A), ['v1.1', 'v1.2', 'v1.3'])
})

t.test('and one that is pulled, pinned or deleted meanwhile', async (t) => {
  const ground = makeGround(t.testdir({}))
  const [one, two, three] = plantThree(ground)
  ground.store.turn(2 * DAY)
  const policies = [policyOf([{ pulledWithin: DAY }])]
  const pull = (): void => ground.pulls.note(A, three)
  t.same(
    gone(await ground.apply(policies, { dryRun: true, pins: whenAsked(ground, 2, () => ground.pulls.note(A, two)) })),
    ['team/a:v1.1', 'team/a:v1.3'],
  )
  t.same(gone(await ground.apply(policies, { dryRun: true, pins: whenAsked(ground, 1, pull) })), ['team/a:v1.3'])
  await ground.pins.add('p', { reason: '', images: [{ name: A, digest: one }], blobs: [] })
  t.same(gone(await ground.apply(policies)), [])
  ground.store.turn(2 * DAY)
  const pinned = ground.pins.list()
  await ground.pins.remove('p')
  let asked = 0
  const pins = { list: () => (++asked === 1 ? ground.pins.list() : pinned) }
  t.same(gone(await ground.apply(policies, { pins })), ['team/a:v1.1', 'team/a:v1.2'])
})

t.test('a registry that is read-only refuses, also when it becomes so on the way; a dry run can be had', async (t) => {
  const ground = makeGround(t.testdir({}))
  plantThree(ground)
  const policies = [policyOf([{ newest: 1 }])]
  const rules = { readOnly: () => 'it is read-only' }
  await t.rejects(ground.apply(policies, { rules }), { code: 'UNSUPPORTED' })
  t.equal((await ground.apply(policies, { rules, dryRun: true })).tags.removed, 2)
  let reason: string | undefined
  const lose = (): void => {
    reason = 'the lock is lost'
  }
  await t.rejects(ground.apply(policies, { rules: { readOnly: () => reason }, pins: whenAsked(ground, 3, lose) }), {
    code: 'UNSUPPORTED',
  })
  t.same(await ground.tags(A), ['v1.2', 'v1.3'])
})
