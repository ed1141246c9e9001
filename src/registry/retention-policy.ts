// `retention.policies` made ready: which policy a repository has. The first that matches it decides.
import type { Config } from '../config/schema.ts'
import { compileGlob } from '../oci/glob.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { CompiledRule } from './retention-rules.ts'
import { compileRules } from './retention-rules.ts'

export interface Policy {
  /** Its place in the configuration, from 1. */
  readonly number: number
  matches(name: RepositoryName): boolean
  /** Without rules every tag stays. */
  readonly rules: readonly CompiledRule[]
  /** How old an untagged manifest is when collection takes it, in milliseconds; undefined when it does not. */
  readonly untaggedAfter: number | undefined
}

/** `untagged` is `gc.untagged`, `lease` is `gc.lease` in milliseconds: nothing younger is ever collected. */
export function compilePolicies(
  policies: Config['retention']['policies'],
  { untagged, lease }: { readonly untagged: boolean; readonly lease: number },
): Policy[] {
  return policies.map(({ repositories, keep, untaggedAfter }, index) => {
    const globs = repositories.map(compileGlob)
    const age = untagged ? 0 : untaggedAfter
    return {
      number: index + 1,
      matches: (name) => globs.some((matches) => matches(name)),
      rules: compileRules(keep),
      untaggedAfter: age === undefined ? undefined : Math.max(lease, age),
    }
  })
}

export function findPolicy(policies: readonly Policy[], name: RepositoryName): Policy | undefined {
  return policies.find((policy) => policy.matches(name))
}
