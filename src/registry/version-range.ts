// Ranges of versions over tags, as npm and Helm write them: `>=3.18`, `^1.2`, `~4.16`, `1.x || >=2.1 <3`. The order is the
// one that retention has for tags, so `3.18` and `v3.18.0` are one version and `4.18.3-x86_64` is a release.
import semver from 'semver'
import type { Version } from './retention-version.ts'
import { compareVersions, parseVersion } from './retention-version.ts'

/** Tells a version that is in the range, and why another one is not. */
export type Range = (version: Version) => 'in' | 'out' | 'prerelease'

/**
 * Compiles a range. A pre-release is in none that names no pre-release itself: who writes `>=3.18` does not mean 3.19-rc1,
 * and who writes `>=3.18.0-0` does. Throws for a text that is no range.
 */
export function compileRange(text: string): Range {
  const namesPrerelease = /\d-[\da-z]/iu.test(text)
  const alternatives = new semver.Range(text).set.map((comparators) => comparators.map(compile))
  return (version) => {
    if (version.prerelease.length > 0 && !namesPrerelease) return 'prerelease'
    // What is behind `_` says how it was built, not which version it is.
    const bare = { ...version, build: [] }
    return alternatives.some((tests) => tests.every((test) => test(bare))) ? 'in' : 'out'
  }
}

type Test = (version: Version) => boolean

function compile({ operator, semver: bound, value }: semver.Comparator): Test {
  // `*`
  if (value === '') return () => true
  // As a tag is read, so that both are cut into the same words.
  const limit = parseVersion(`v${bound.version}`) as Version
  const order = (version: Version): number => compareVersions(version, limit)
  switch (operator) {
    case '<':
      return (version) => order(version) < 0
    case '<=':
      return (version) => order(version) <= 0
    case '>':
      return (version) => order(version) > 0
    case '>=':
      return (version) => order(version) >= 0
    default:
      return (version) => order(version) === 0
  }
}
