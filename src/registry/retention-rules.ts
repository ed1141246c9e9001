// Which tags of a repository the rules of its retention policy keep. Pure: facts in, verdicts out. A tag is kept when
// one rule keeps it; a rule keeps a tag that its pattern matches and that meets all of its conditions.
import { formatDuration } from '../config/duration.ts'
import { compilePattern } from '../config/pattern.ts'
import { compare } from '../storage/repositories.ts'
import type { Version } from './retention-version.ts'
import { compareVersions, parseVersion } from './retention-version.ts'

/** One entry of `retention.policies[].keep`; times in milliseconds. */
export interface KeepRule {
  /** A regular expression that must match the whole tag. */
  readonly tags: string
  readonly newest?: number
  readonly by: 'date' | 'semver'
  readonly pulledWithin?: number
  readonly pushedWithin?: number
}

export interface CompiledRule extends KeepRule {
  matches(tag: string): boolean
}

/** Milliseconds since 1970, none of them later than now. */
export interface TagFacts {
  readonly tag: string
  /** When the image was pushed, wherever that was: the order of `by: date`. */
  readonly pushedAt: number
  /** When it was pushed here or came here by tar: what `pushedWithin` asks for. */
  readonly arrivedAt: number
}

export type Verdict =
  /** `rule` is the first that keeps it. */
  | { readonly keep: true; readonly rule: number }
  | {
      readonly keep: false
      readonly why: string
      /** It would be kept, by `rule`, if it was pulled at `since` or later. */
      readonly unlessPulled: { readonly since: number; readonly rule: number } | undefined
    }

/** Makes the test of each rule's pattern. The patterns were checked with the configuration. */
export function compileRules(rules: readonly KeepRule[]): CompiledRule[] {
  return rules.map((rule) => {
    const pattern = compilePattern(rule.tags)
    if (pattern === undefined) throw new Error(`retention: ${rule.tags} is no pattern`)
    const whole = new RegExp(`^(?:${pattern.source})$`, pattern.flags)
    return { ...rule, matches: (tag) => whole.test(tag) }
  })
}

/** Judges all tags of a repository that can be judged, in their order; at least one rule is given. */
export function judgeTags(tags: readonly TagFacts[], rules: readonly CompiledRule[], now: number): Verdict[] {
  const versions = new Map(tags.map(({ tag }) => [tag, parseVersion(tag)]))
  const applied = rules.map((rule) => applyRule(rule, tags, versions))
  return tags.map((facts) => {
    const reasons = new Set<string>()
    let unlessPulled: { since: number; rule: number } | undefined
    for (const [index, { rule, matched, newest }] of applied.entries()) {
      if (!matched.has(facts.tag)) continue
      const failed = failuresOf(rule, facts, versions.get(facts.tag), newest, now)
      if (failed.length === 0 && rule.pulledWithin === undefined) return { keep: true, rule: index }
      for (const reason of failed) reasons.add(reason)
      if (rule.pulledWithin === undefined) continue
      reasons.add(`not pulled within ${formatDuration(rule.pulledWithin)}`)
      const since = now - rule.pulledWithin
      if (failed.length === 0 && (unlessPulled === undefined || since < unlessPulled.since)) {
        unlessPulled = { since, rule: index }
      }
    }
    return { keep: false, why: [...reasons].join(', ') || 'no rule matches its name', unlessPulled }
  })
}

interface AppliedRule {
  readonly rule: CompiledRule
  readonly matched: ReadonlySet<string>
  /** The tags that are among the newest; undefined when that is no condition. */
  readonly newest: ReadonlySet<string> | undefined
}

function applyRule(
  rule: CompiledRule,
  tags: readonly TagFacts[],
  versions: ReadonlyMap<string, Version | undefined>,
): AppliedRule {
  const matched = tags.filter(({ tag }) => rule.matches(tag))
  const names = new Set(matched.map(({ tag }) => tag))
  if (rule.newest === undefined) return { rule, matched: names, newest: undefined }
  const byVersion = (a: TagFacts, b: TagFacts): number => {
    const [left, right] = [versions.get(a.tag), versions.get(b.tag)]
    if (left === undefined || right === undefined) return Number(left !== undefined) - Number(right !== undefined)
    return compareVersions(left, right)
  }
  const byDate = (a: TagFacts, b: TagFacts): number => a.pushedAt - b.pushedAt
  const [first, second] = rule.by === 'semver' ? [byVersion, byDate] : [byDate, byVersion]
  const counted = rule.by === 'semver' ? matched.filter(({ tag }) => versions.get(tag) !== undefined) : matched
  const sorted = counted.toSorted((a, b) => first(b, a) || second(b, a) || compare(b.tag, a.tag))
  return { rule, matched: names, newest: new Set(sorted.slice(0, rule.newest).map(({ tag }) => tag)) }
}

/** What the tag lacks of the rule's conditions, but for `pulledWithin`. */
function failuresOf(
  { newest: most, by, pushedWithin }: CompiledRule,
  { tag, arrivedAt }: TagFacts,
  version: Version | undefined,
  newest: ReadonlySet<string> | undefined,
  now: number,
): string[] {
  const failed: string[] = []
  if (newest?.has(tag) === false) {
    failed.push(by === 'semver' && version === undefined ? 'no version' : `not among the newest ${most} by ${by}`)
  }
  if (pushedWithin !== undefined && now - arrivedAt > pushedWithin) {
    failed.push(`not pushed within ${formatDuration(pushedWithin)}`)
  }
  return failed
}
