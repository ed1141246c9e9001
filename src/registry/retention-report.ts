// What retention tells of its work, and the counting of it.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Going, Plan } from './retention-plan.ts'
import type { Policy } from './retention-policy.ts'

export interface RemovedTag {
  readonly repository: RepositoryName
  readonly tag: string
  readonly digest: Digest
  /** ISO 8601. */
  readonly pushed: string
  /** ISO 8601, to the minute; absent when no pull is known. */
  readonly lastPulled?: string
  readonly why: string
}

export interface RetentionReport {
  readonly startedAt: string
  readonly seconds: number
  readonly dryRun: boolean
  /** `judged` have a policy with rules; `left` were left alone for something that could not be read. */
  readonly repositories: { readonly seen: number; readonly judged: number; readonly left: number }
  /** Of the repositories that were judged. */
  readonly tags: { readonly seen: number; readonly kept: number; readonly removed: number }
  readonly removed: readonly RemovedTag[]
  /** What keeps how many tags. `policy` and `rule` count from 1, as they stand in the configuration. */
  readonly keptBy: {
    readonly rules: readonly { readonly policy: number; readonly rule: number; readonly tags: number }[]
    readonly pinned: number
    /** Signatures and the like, whose subject stays. */
    readonly following: number
    /** Moved, pulled or pinned between the plan and the act. */
    readonly changed: number
  }
  /** Manifests to which no tag of the repository leads any more, and how many of them collection will take. */
  readonly manifests: { readonly untagged: number; readonly collectable: number }
  /** `path` is relative to the data directory. */
  readonly problems: readonly { readonly path: string; readonly what: string }[]
}

export class Tally {
  readonly #clock: () => number
  readonly #startedAt: number
  readonly #dryRun: boolean
  readonly #rules: { policy: number; rule: number; tags: number }[]
  readonly #repositories = { seen: 0, judged: 0, left: 0 }
  readonly #tags = { seen: 0, kept: 0, removed: 0 }
  readonly #keptBy = { pinned: 0, following: 0, changed: 0 }
  readonly #manifests = { untagged: 0, collectable: 0 }
  readonly #removed: RemovedTag[] = []
  readonly #problems: { path: string; what: string }[] = []

  /** `clock` in milliseconds since 1970. */
  constructor(policies: readonly Policy[], { clock, dryRun }: { clock: () => number; dryRun: boolean }) {
    this.#clock = clock
    this.#startedAt = clock()
    this.#dryRun = dryRun
    this.#rules = policies.flatMap(({ number, rules }) =>
      rules.map((_rule, index) => ({ policy: number, rule: index + 1, tags: 0 })),
    )
  }

  /** Counts a repository; gives how many there were. */
  see(): number {
    this.#repositories.seen += 1
    return this.#repositories.seen
  }

  leave(): void {
    this.#repositories.left += 1
  }

  problem(path: string, what: string): void {
    this.#problems.push({ path, what })
  }

  /** Counts what was planned for a repository, and what of it was then done. */
  judge(
    name: RepositoryName,
    policy: Policy,
    plan: Plan,
    gone: readonly Going[],
    lastPulled: (family: readonly Digest[]) => number | undefined,
  ): void {
    this.#repositories.judged += 1
    this.#tags.seen += plan.seen.length
    this.#tags.removed += gone.length
    this.#tags.kept += plan.seen.length - gone.length
    for (const entry of this.#rules) {
      if (entry.policy === policy.number) entry.tags += plan.keptBy[entry.rule - 1] ?? 0
    }
    this.#keptBy.pinned += plan.pinned
    this.#keptBy.following += plan.following
    this.#keptBy.changed += plan.going.length + plan.followers.length - gone.length
    for (const { seen, facts, why, family } of gone) {
      const pulled = lastPulled(family)
      this.#removed.push({
        repository: name,
        tag: seen.tag,
        digest: seen.target,
        pushed: formatTime(facts.pushedAt),
        ...(pulled === undefined ? {} : { lastPulled: formatTime(pulled) }),
        why,
      })
    }
    const goneTags = new Set(gone.map(({ seen }) => seen.tag))
    const still = new Set(plan.seen.filter(({ tag }) => !goneTags.has(tag)).map(({ target }) => target))
    const untagged = new Set(gone.map(({ seen }) => seen.target).filter((target) => !still.has(target))).size
    this.#manifests.untagged += untagged
    if (policy.untaggedAfter !== undefined) this.#manifests.collectable += untagged
  }

  report(): RetentionReport {
    return {
      startedAt: formatTime(this.#startedAt),
      seconds: Math.max(0, this.#clock() - this.#startedAt) / 1000,
      dryRun: this.#dryRun,
      repositories: this.#repositories,
      tags: this.#tags,
      removed: this.#removed,
      keptBy: { rules: this.#rules, ...this.#keptBy },
      manifests: this.#manifests,
      problems: this.#problems,
    }
  }
}

// A file's time can be one that no calendar has.
function formatTime(time: number): string {
  const date = new Date(time)
  return (Number.isNaN(date.getTime()) ? new Date(0) : date).toISOString()
}
