import t from 'tap'
import type { TagRule } from '../../../src/config/sync-file.ts'
import { ALL_TAGS } from '../../../src/config/sync-file.ts'
import { filterTags, needsDates, takeNewest } from '../../../src/mirror/sync/select-tags.ts'
import type { Tag } from '../../../src/oci/reference.ts'

const SIGNATURE = `sha256-${'a'.repeat(64)}.sig`
const TAGS = ['3.18', '3.19', '3.20', '3.20.3', '3.21.0-rc1', 'edge', 'latest', SIGNATURE] as Tag[]

function select(rule: Partial<TagRule>, dates?: ReadonlyMap<Tag, number>) {
  const whole = { ...ALL_TAGS, ...rule }
  return takeNewest(whole, filterTags(whole, TAGS), dates)
}

t.test('a rule chooses the tags that meet all of it', async (t) => {
  for (const [name, rule, chosen] of [
    ['everything but what comes with its image', {}, TAGS.slice(0, -1)],
    ['names', { names: ['3.18', 'latest'] }, ['3.18', 'latest']],
    ['globs', { names: ['3.20*', '{edge,x}'] }, ['3.20', '3.20.3', 'edge']],
    ['a signature that is named', { names: [SIGNATURE] }, [SIGNATURE]],
    ['allow, over the whole tag', { allow: ['3\\.2.', 'edge'] }, ['3.20', 'edge']],
    ['allow without deny', { allow: ['3.*'], deny: ['.*-rc.*', '3.18'] }, ['3.19', '3.20', '3.20.3']],
    ['a range', { semver: '>=3.19' }, ['3.19', '3.20', '3.20.3']],
    ['the newest by version', { newest: 2 }, ['3.20.3', '3.21.0-rc1']],
    ['the newest of a range', { semver: '>=3.18', newest: 2 }, ['3.20', '3.20.3']],
    ['more than there are', { names: ['3.18'], newest: 5 }, ['3.18']],
  ] as const)
    t.same(select(rule).chosen, chosen, name)
})

t.test('the newest by date, where a tag without a date is the oldest', async (t) => {
  const dates = new Map([
    ['3.18', 3],
    ['edge', 5],
    ['3.20', 1],
  ] as [Tag, number][])
  t.same(select({ newest: 2, by: 'date' }, dates).chosen, ['3.18', 'edge'])
  t.same(select({ newest: 4, by: 'date' }, dates).chosen.length, 4)
})

t.test('dates are needed only to choose some of several', async (t) => {
  const rule = (newest: number, by: 'date' | 'semver'): boolean => {
    const whole = { ...ALL_TAGS, newest, by }
    return needsDates(whole, filterTags(whole, TAGS))
  }
  t.same([rule(2, 'date'), rule(7, 'date'), rule(2, 'semver')], [true, false, false])
})

t.test('each tag that is left out has a reason', async (t) => {
  const { left } = select({ allow: ['3.*', 'edge', 'sha.*'], deny: ['3\\.18'], semver: '>=3.19', newest: 2 })
  t.same(Object.fromEntries(left.map(({ tag, why }) => [tag, why])), {
    '3.18': 'denied by 3\\.18',
    '3.21.0-rc1': 'a pre-release, which >=3.19 does not name',
    edge: 'no version',
    latest: 'not allowed',
    [SIGNATURE]: 'comes with the image that it is about',
    '3.19': 'not among the newest 2 by semver',
  })
  t.match(select({ names: ['3.*'], semver: '<3.19' }).left, [{ tag: '3.19', why: 'not in <3.19' }])
})

t.test('a tag that is named and not there is missing; a pattern that matches nothing is not', async (t) => {
  t.same(select({ names: ['3.18', '2.0', 'v*'] }).missing, ['2.0'])
})
