import fc from 'fast-check'
import t from 'tap'
import type { KeepRule, TagFacts } from '../../src/registry/retention-rules.ts'
import { compileRules, judgeTags } from '../../src/registry/retention-rules.ts'
import { compareVersions, parseVersion } from '../../src/registry/retention-version.ts'

const DAY = 86_400_000
const NOW = 1000 * DAY

type Short = Partial<KeepRule>
const rule = (short: Short): KeepRule => ({ tags: '.*', by: 'date', ...short })

/** Tags with the days ago that they were pushed; here too, unless a second number is given. */
function facts(ages: Readonly<Record<string, number | readonly [number, number]>>): TagFacts[] {
  return Object.entries(ages).map(([tag, age]) => {
    const [pushed, arrived] = typeof age === 'number' ? [age, age] : age
    return { tag, pushedAt: NOW - pushed * DAY, arrivedAt: NOW - arrived * DAY }
  })
}

function keptOf(tags: readonly TagFacts[], rules: readonly Short[]): string[] {
  const verdicts = judgeTags(tags, compileRules(rules.map(rule)), NOW)
  return tags.filter((_tag, index) => verdicts[index]?.keep).map(({ tag }) => tag)
}

t.test('what the rules keep', async (t) => {
  const days = facts({ a: 1, b: 2, c: 3, latest: 4 })
  const versions = facts({ 'v1.0': 5, 'v1.1': 1, 'v1.10': 4, 'v1.9': 2, 'v2.0-rc.1': 3, latest: 1, main: 9 })
  const table: readonly [string, readonly TagFacts[], readonly Short[], readonly string[]][] = [
    ['a rule without conditions keeps what it matches', days, [{ tags: '[ab]' }], ['a', 'b']],
    ['a pattern matches the whole tag', days, [{ tags: 'l' }], []],
    ['every alternative of it', days, [{ tags: 'a|late' }], ['a']],
    ['anchors of its own are no harm', days, [{ tags: '^latest$' }], ['latest']],
    ['capitals count unless it says otherwise', facts({ A: 1, a: 1 }), [{ tags: 'a' }], ['a']],
    ['as RE2 says it', facts({ A: 1, a: 1 }), [{ tags: '(?i)a' }], ['A', 'a']],
    ['one rule is enough', days, [{ tags: 'c' }, { tags: 'latest' }], ['c', 'latest']],
    ['newest by date', days, [{ newest: 2 }], ['a', 'b']],
    ['newest counts what its pattern matches', days, [{ tags: '[bc]', newest: 1 }], ['b']],
    ['more than there are', days, [{ newest: 9 }], ['a', 'b', 'c', 'latest']],
    ['newest by semver', versions, [{ newest: 3, by: 'semver' }], ['v1.10', 'v1.9', 'v2.0-rc.1']],
    [
      'no version is not counted and not kept',
      versions,
      [{ tags: 'latest|v1\\.0', newest: 1, by: 'semver' }],
      ['v1.0'],
    ],
    ['same date: the higher version', facts({ 'v1.9': 1, 'v1.10': 1, x: 1 }), [{ newest: 1 }], ['v1.10']],
    ['same date, no versions: by name', facts({ a: 1, c: 1, b: 1 }), [{ newest: 2 }], ['c', 'b']],
    [
      'same version: the younger one',
      facts({ '1.0-amd64': 2, '1.0-arm64': 1 }),
      [{ newest: 1, by: 'semver' }],
      ['1.0-arm64'],
    ],
    ['pushed within, to the millisecond', days, [{ pushedWithin: 2 * DAY }], ['a', 'b']],
    ['what came here yesterday was pushed here yesterday', facts({ a: [90, 1] }), [{ pushedWithin: 2 * DAY }], ['a']],
    ['and is as old as it is for newest', facts({ a: [90, 1], b: [80, 80] }), [{ newest: 1 }], ['b']],
    ['all conditions of a rule', days, [{ newest: 3, pushedWithin: 2 * DAY }], ['a', 'b']],
    ['newest is not counted among what the others leave', days, [{ newest: 1, tags: '.*', pushedWithin: 0 }], []],
    ['not pulled as far as is known here', days, [{ pulledWithin: DAY }], []],
    ['no tags', [], [{ newest: 1 }], []],
  ]
  for (const [name, tags, rules, kept] of table) t.same(keptOf(tags, rules), kept, name)
})

t.test('a tag that only a pull would keep says since when, and by which rule', async (t) => {
  const rules = [{ pulledWithin: 3 * DAY, tags: 'b' }, { pulledWithin: 2 * DAY }, { pulledWithin: 9 * DAY, newest: 1 }]
  const verdicts = judgeTags(facts({ a: 2, b: 3, c: 1 }), compileRules(rules.map(rule)), NOW)
  t.match(verdicts, [
    { keep: false, unlessPulled: { since: NOW - 2 * DAY, rule: 1 } },
    { keep: false, unlessPulled: { since: NOW - 3 * DAY, rule: 0 } },
    { keep: false, unlessPulled: { since: NOW - 9 * DAY, rule: 2 } },
  ])
})

t.test('the first rule that keeps it is told, or what each of them wants', async (t) => {
  const rules = compileRules(
    [
      { tags: 'v.*', newest: 1, by: 'semver' as const },
      { tags: 'v.*' },
      { tags: 'x.*', newest: 1, pushedWithin: DAY },
    ].map(rule),
  )
  const verdicts = judgeTags(facts({ v1: 1, vx: 1, x1: 2, x2: 3, other: 1 }), rules, NOW)
  t.match(verdicts, [
    { keep: true, rule: 0 },
    { keep: true, rule: 1 },
    { keep: false, why: 'not pushed within 24h' },
    { keep: false, why: 'not among the newest 1 by date, not pushed within 24h' },
    { keep: false, why: 'no rule matches its name', unlessPulled: undefined },
  ])
})

// The same in the plainest words: for each tag and rule, count how many come before it.
function expectKept(tags: readonly TagFacts[], rules: readonly KeepRule[]): boolean[] {
  const isNewer = (a: TagFacts, b: TagFacts, by: 'date' | 'semver'): boolean => {
    const [x, y] = [parseVersion(a.tag), parseVersion(b.tag)]
    const version = x && y ? compareVersions(x, y) : (x ? 1 : 0) - (y ? 1 : 0)
    const date = a.pushedAt - b.pushedAt
    const [first, second] = by === 'date' ? [date, version] : [version, date]
    return first !== 0 ? first > 0 : second !== 0 ? second > 0 : a.tag > b.tag
  }
  return tags.map((tag) =>
    rules.some(({ tags: pattern, newest, by, pushedWithin, pulledWithin }) => {
      const inPattern = (each: TagFacts): boolean => new RegExp(`^(${pattern})$`).test(each.tag)
      const counts = (each: TagFacts): boolean =>
        inPattern(each) && (by === 'date' || parseVersion(each.tag) !== undefined)
      if (!inPattern(tag) || pulledWithin !== undefined) return false
      if (pushedWithin !== undefined && tag.arrivedAt < NOW - pushedWithin) return false
      if (newest === undefined) return true
      return counts(tag) && tags.filter((each) => counts(each) && isNewer(each, tag, by)).length < newest
    }),
  )
}

t.test('random tags and rules are judged as the plainest computation says', async (t) => {
  const tag = fc.stringMatching(/^(v?[0-3]\.[0-3](\.[0-3])?(-(rc\.[12]|alpine|x86_64))?|latest|[a-c]{1,2})$/)
  const day = fc.integer({ min: 0, max: 6 })
  const tags = fc.uniqueArray(fc.record({ tag, pushed: day, arrived: day }), {
    selector: (each) => each.tag,
    maxLength: 14,
  })
  const keep = fc.record(
    {
      tags: fc.constantFrom('.*', 'v.*', '[a-c]+', '\\d.*', 'latest|v1.*', '.*-x86_64'),
      by: fc.constantFrom('date' as const, 'semver' as const),
      newest: fc.integer({ min: 1, max: 4 }),
      pushedWithin: day.map((days) => days * DAY),
      pulledWithin: day,
    },
    { requiredKeys: ['tags', 'by'] },
  )
  fc.assert(
    fc.property(tags, fc.array(keep, { minLength: 1, maxLength: 3 }), (drawn, rules) => {
      const all = drawn.map((each) => ({
        tag: each.tag,
        pushedAt: NOW - each.pushed * DAY,
        arrivedAt: NOW - Math.min(each.pushed, each.arrived) * DAY,
      }))
      const got = judgeTags(all, compileRules(rules), NOW).map((verdict) => verdict.keep)
      t.same(got, expectKept(all, rules))
    }),
    { numRuns: 1000 },
  )
})
