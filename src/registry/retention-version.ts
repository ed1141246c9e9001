// Tags as versions, for retention's `by: semver` (docs/retention.md). Lenient, because tags are not semver: `v1.2`,
// `4.18.3-x86_64`, `1.2.3_4`, `3.14rc1`. What is no version by this rule is never guessed to be one.
import semver from 'semver'

export interface Version {
  readonly numbers: readonly bigint[]
  /** Empty for a release. */
  readonly prerelease: readonly string[]
  readonly build: readonly string[]
}

// A tag is often a version for one machine: that says nothing about which version is newer.
const PLATFORM =
  /[-_.](?:x86_64|amd64|x64|i386|aarch64|arm64(?:[-_]?v8)?|armhf|arm(?:32)?v[567]l?|ppc64le|s390x|riscv64|multi|multiarch)$/i
// With a dot, or with a v: a bare number is a date, a build or the beginning of a commit as often as a version.
const GRAMMAR =
  /^(?:v(?=\d)|(?=\d+\.\d))(\d+(?:\.\d+)*)(?:[-.]?([a-z][a-z0-9.-]*|(?<=-)\d[a-z0-9.-]*))?(?:_([\w.-]+))?$/i

/** The version that a tag is; undefined when it is none. */
export function parseVersion(tag: string): Version | undefined {
  const [, numbers, prerelease = '', build = ''] = GRAMMAR.exec(tag.replace(PLATFORM, '')) ?? []
  if (numbers === undefined) return undefined
  return { numbers: numbers.split('.').map(BigInt), prerelease: split(prerelease), build: split(build) }
}

/** Negative when `a` is the older version: numbers, then pre-release before release, then the build. */
export function compareVersions(a: Version, b: Version): number {
  for (let at = 0; at < Math.max(a.numbers.length, b.numbers.length); at += 1) {
    const [left, right] = [a.numbers[at] ?? 0n, b.numbers[at] ?? 0n]
    if (left !== right) return left < right ? -1 : 1
  }
  const [left, right] = [a.prerelease.length, b.prerelease.length]
  if (left === 0 || right === 0) return left === right ? compareLists(a.build, b.build) : left === 0 ? 1 : -1
  return compareLists(a.prerelease, b.prerelease) || compareLists(a.build, b.build)
}

// Numbers and words by themselves, so that rc10 comes after rc2.
function split(text: string): string[] {
  return text.match(/\d+|[a-z]+/gi) ?? []
}

function compareLists(a: readonly string[], b: readonly string[]): number {
  for (const [at, left] of a.entries()) {
    const right = b[at]
    if (right === undefined) return 1
    const order = semver.compareIdentifiers(left, right)
    if (order !== 0) return order
  }
  return a.length === b.length ? 0 : -1
}
