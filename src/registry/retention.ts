// Retention: removes the tags that no rule of `retention.policies` keeps (docs/retention.md). It takes tags and nothing
// else: manifests and bytes are freed by collection. A dry run is the same work by the same code, but for the removing.
import { relative } from 'node:path'
import type { Config } from '../config/schema.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Pins, StoredPin } from '../storage/pins.ts'
import type { Pulls } from '../storage/pulls.ts'
import { walkRepositories } from '../storage/walk.ts'
import type { Context } from './context.ts'
import { requireWritable } from './context.ts'
import { Pace } from '../storage/pace.ts'
import type { ActParts } from './retention-act.ts'
import { removeTags } from './retention-act.ts'
import type { Going, PlanParts } from './retention-plan.ts'
import { Unclear, lastPulled, planRepository } from './retention-plan.ts'
import type { Policy } from './retention-policy.ts'
import { compilePolicies, findPolicy } from './retention-policy.ts'
import type { RetentionReport } from './retention-report.ts'
import { Tally } from './retention-report.ts'

export interface RetentionParts {
  readonly policies: Config['retention']['policies']
  readonly pulls: Pick<Pulls, 'since' | 'lastPulled'>
  readonly pins: Pick<Pins, 'list'>
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** `gc.untagged`: whether collection takes untagged manifests everywhere. */
  readonly untagged?: boolean
}

export interface RetentionProgress {
  readonly phase: string
  /** Repositories. */
  readonly done: number
}

/**
 * Applies the policies to all repositories, a little at a time. Throws UNSUPPORTED when the registry is read-only and
 * this is no dry run; what it cannot read, or could not remove, is left and told in the report.
 */
export async function applyRetention(
  context: Context,
  parts: RetentionParts,
  { dryRun }: { readonly dryRun: boolean },
  onProgress: (progress: RetentionProgress) => void = () => undefined,
): Promise<RetentionReport> {
  if (!dryRun) requireWritable(context)
  const { layout, leases } = context.store
  const { pulls, clock } = parts
  const policies = compilePolicies(parts.policies, { untagged: parts.untagged === true, lease: leases.duration })
  const tally = new Tally(policies, { clock, dryRun })
  if (policies.every(({ rules }) => rules.length === 0)) return tally.report()

  const problem = (path: string, what: string): void => tally.problem(relative(layout.root, path), what)
  const read = (): readonly StoredPin[] => readPins(parts.pins)
  const pace = new Pace()
  const report = {
    onStray: (): void => undefined,
    onUnreadable: (path: string, error: Error): void => problem(path, error.message),
  }
  try {
    // Each removal asks again; the plan of a tag may rest on pins that are a little older.
    const pins = read()
    for await (const name of pace.over(walkRepositories(layout, report))) {
      if (!dryRun) requireWritable(context)
      onProgress({ phase: 'retention', done: tally.see() })
      const policy = findPolicy(policies, name)
      if (policy === undefined || policy.rules.length === 0) continue
      try {
        const here = { store: context.store, context, pulls, pins, pace, dryRun, now: clock(), readPins: read }
        await applyTo(here, name, policy, tally)
      } catch (error) {
        // Then no other repository can be changed either.
        if (!dryRun && context.rules.readOnly() !== undefined) throw error
        tally.leave()
        problem(error instanceof Unclear ? error.path : layout.repository(name), (error as Error).message)
      }
    }
  } catch (error) {
    if (!(error instanceof Unclear)) throw error
    problem(error.path, error.message)
  }
  return tally.report()
}

async function applyTo(parts: ActParts & PlanParts, name: RepositoryName, policy: Policy, tally: Tally): Promise<void> {
  const plan = await planRepository(parts, name, policy)
  const gone: Going[] = []
  try {
    if (plan.going.length + plan.followers.length > 0) await removeTags(parts, name, plan, gone)
  } finally {
    tally.judge(name, policy, plan, gone, (family) => lastPulled(parts.pulls, name, family))
  }
}

// A pin that cannot be read could be about anything.
function readPins(pins: Pick<Pins, 'list'>): readonly StoredPin[] {
  const { pins: read, unreadable } = pins.list()
  const [first] = unreadable
  if (first !== undefined) throw new Unclear(first.path, `a pin cannot be read, so nothing is removed: ${first.why}`)
  return read
}
