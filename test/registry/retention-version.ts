import fc from 'fast-check'
import t from 'tap'
import { compareVersions, parseVersion } from '../../src/registry/retention-version.ts'

const compare = (a: string, b: string): number => {
  const [left, right] = [parseVersion(a), parseVersion(b)]
  if (left === undefined || right === undefined) throw new Error(`${a} or ${b} is no version`)
  return compareVersions(left, right)
}

t.test('versions in their order, oldest first', async (t) => {
  const lists = [
    // semver.org, item 11
    [
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-alpha.beta',
      '1.0.0-beta',
      '1.0.0-beta.2',
      '1.0.0-beta.11',
      '1.0.0-rc.1',
      '1.0.0',
    ],
    ['v1', 'v1.0.1', '1.1', 'v1.2', '1.2.1', 'V1.10', '2.0'],
    ['4.17.9-x86_64', '4.18.0-rc.2-x86_64', '4.18.0-rc.10-multi', '4.18.0-s390x', '4.18.3-aarch64', '4.18.10-x86_64'],
    ['1.2.2', '1.2.3-rc1', '1.2.3-rc2', '1.2.3-rc10', '1.2.3', '1.2.3_2', '1.2.3_10', '1.2.4'],
    ['3.13.9', '3.14a1', '3.14rc1', '3.14'],
    ['10.0.17763.1', '10.0.17763.999', '10.0.20348.1'],
    ['2026.01.15', '2026.2.1', '2026.11'],
    ['1.27-alpine', '1.27', '1.28-alpine'],
    ['9007199254740993.0', '9007199254740994.0'],
  ]
  for (const list of lists) {
    for (const [at, older] of list.entries()) {
      for (const newer of list.slice(at + 1)) {
        t.ok(compare(older, newer) < 0, `${older} < ${newer}`)
        t.ok(compare(newer, older) > 0, `${newer} > ${older}`)
      }
    }
  }
})

t.test('the same version in other words', async (t) => {
  for (const [a, b] of [
    ['1.2', 'v1.2.0'],
    ['4.18.3-x86_64', '4.18.3-aarch64'],
    ['1.02.3', '1.2.3'],
    ['v1.0-amd64', 'v1'],
  ] as const) {
    t.equal(compare(a, b), 0, `${a} = ${b}`)
  }
})

t.test('tags that are no versions', async (t) => {
  const tags = [
    'latest',
    '1',
    '147',
    '20261122',
    '2026-11-22',
    '7e3f21a',
    '1234567',
    'v',
    'version',
    'sha-1.2',
    '1.2.',
    '1.2-',
  ]
  for (const tag of [...tags, 'release-1.2', '_1.2', 'x86_64', 'v1.2.3...4']) {
    t.equal(parseVersion(tag), undefined, tag)
  }
})

t.test('the order is one: antisymmetric and transitive', async () => {
  const version = fc.stringMatching(/^v\d{1,2}(\.\d{1,2}){0,3}(-(rc|a|\d)[.-]?\d?)?(_\d)?$/)
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      if (Math.sign(compare(a, b)) !== -Math.sign(compare(b, a))) return false
      return compare(a, b) > 0 || compare(b, c) > 0 || compare(a, c) <= 0
    }),
    { numRuns: 2000 },
  )
})
