// Which tags of a repository an entry of a sync file means, and why not the others. Pure: the list comes in, and for the
// newest by date the dates of those that are left.
import type { TagRule } from '../../config/sync-file.ts'
import { compilePattern } from '../../config/pattern.ts'
import { compileGlob, isGlob } from '../../oci/glob.ts'
import type { Tag } from '../../oci/reference.ts'
import { readSubjectTag } from '../../oci/subject-tag.ts'
import { compileRules, judgeTags } from '../../registry/retention-rules.ts'
import { parseVersion } from '../../registry/retention-version.ts'
import { compileRange } from '../../registry/version-range.ts'

export interface Selection {
  /** In the order of the list. */
  readonly chosen: readonly Tag[]
  readonly left: readonly { readonly tag: Tag; readonly why: string }[]
  /** Tags that the rule names and the list does not have. */
  readonly missing: readonly string[]
}

/** All of the rule but `newest`. Throws for patterns and ranges that the sync file's check would have refused. */
export function filterTags(rule: TagRule, tags: readonly Tag[]): Selection {
  const tests = compileTests(rule)
  const literal = new Set(rule.names.filter((name) => !isGlob(name)))
  const known = new Set<string>(tags)
  const chosen: Tag[] = []
  const left: { tag: Tag; why: string }[] = []
  for (const tag of tags) {
    // Signatures and what else refers to an image come with it, and only with it.
    const isFollower = readSubjectTag(tag) !== undefined && !literal.has(tag)
    const why = isFollower ? 'comes with the image that it is about' : firstOf(tests, tag)
    if (why === undefined) chosen.push(tag)
    else left.push({ tag, why })
  }
  return { chosen, left, missing: [...literal].filter((name) => !known.has(name)) }
}

/**
 * The newest of what is chosen, as the rule counts them; all of it when the rule does not count. `dates` are milliseconds
 * since 1970; a tag without one is older than those that have one.
 */
export function takeNewest(
  { newest, by }: TagRule,
  selection: Selection,
  dates: ReadonlyMap<Tag, number> = new Map(),
): Selection {
  if (newest === undefined) return selection
  const facts = selection.chosen.map((tag) => ({ tag, pushedAt: dates.get(tag) ?? 0, arrivedAt: 0 }))
  const verdicts = judgeTags(facts, compileRules([{ tags: '.*', newest, by }]), 0)
  const chosen: Tag[] = []
  const left = [...selection.left]
  for (const [index, tag] of selection.chosen.entries()) {
    const verdict = verdicts[index]
    if (verdict?.keep === false) left.push({ tag, why: verdict.why })
    else chosen.push(tag)
  }
  return { ...selection, chosen, left }
}

/** Whether `takeNewest` needs the dates of what `filterTags` chose. */
export function needsDates({ newest, by }: TagRule, { chosen }: Selection): boolean {
  return by === 'date' && newest !== undefined && chosen.length > newest
}

/** Why a tag is not meant; undefined when this test does not mind. */
type Test = (tag: Tag) => string | undefined

function compileTests({ names, allow, deny, semver }: TagRule): Test[] {
  const tests: Test[] = []
  if (names.length > 0) {
    const globs = names.map(compileGlob)
    tests.push((tag) => (globs.some((matches) => matches(tag)) ? undefined : 'not named'))
  }
  if (allow.length > 0) {
    const allowed = allow.map(compileWhole)
    tests.push((tag) => (allowed.some((pattern) => pattern.test(tag)) ? undefined : 'not allowed'))
  }
  for (const text of deny) {
    const denied = compileWhole(text)
    tests.push((tag) => (denied.test(tag) ? `denied by ${text}` : undefined))
  }
  if (semver !== undefined) tests.push(compileVersionTest(semver))
  return tests
}

function compileVersionTest(text: string): Test {
  const range = compileRange(text)
  return (tag) => {
    const version = parseVersion(tag)
    if (version === undefined) return 'no version'
    const verdict = range(version)
    if (verdict === 'prerelease') return `a pre-release, which ${text} does not name`
    return verdict === 'out' ? `not in ${text}` : undefined
  }
}

function compileWhole(text: string): RegExp {
  const pattern = compilePattern(text)
  if (pattern === undefined) throw new Error(`sync: ${text} is no pattern`)
  return new RegExp(`^(?:${pattern.source})$`, pattern.flags)
}

function firstOf(tests: readonly Test[], tag: Tag): string | undefined {
  for (const test of tests) {
    const why = test(tag)
    if (why !== undefined) return why
  }
  return undefined
}
