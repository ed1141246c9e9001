import t from 'tap'
import { parseVersion } from '../../src/registry/retention-version.ts'
import { compileRange } from '../../src/registry/version-range.ts'

function verdict(range: string, tag: string): string {
  const version = parseVersion(tag)
  return version === undefined ? 'none' : compileRange(range)(version)
}

const TAGS = ['v3.17.9', '3.18', 'v3.18.0', '3.20.3', '4.0', '4.0.1-x86_64', '3.19-rc1', '3.19.0_2']

t.test('ranges as npm and Helm write them, over tags as they are', async (t) => {
  for (const [range, ...inside] of [
    ['>=3.18', '3.18', 'v3.18.0', '3.20.3', '4.0', '4.0.1-x86_64', '3.19.0_2'],
    ['~3.18', '3.18', 'v3.18.0'],
    ['^3.18', '3.18', 'v3.18.0', '3.20.3', '3.19.0_2'],
    ['3.x', 'v3.17.9', '3.18', 'v3.18.0', '3.20.3', '3.19.0_2'],
    ['>3.18.0 <4', '3.20.3', '3.19.0_2'],
    ['<=3.18', 'v3.17.9', '3.18', 'v3.18.0'],
    ['3.18.0', '3.18', 'v3.18.0'],
    ['3.19.0', '3.19.0_2'],
    ['3.17 - 3.18', 'v3.17.9', '3.18', 'v3.18.0'],
    ['<3.18 || >=4', 'v3.17.9', '4.0', '4.0.1-x86_64'],
    ['*', 'v3.17.9', '3.18', 'v3.18.0', '3.20.3', '4.0', '4.0.1-x86_64', '3.19.0_2'],
  ] as const)
    t.same(
      TAGS.filter((tag) => verdict(range, tag) === 'in'),
      inside,
      range,
    )
})

t.test('a pre-release is only in a range that names one', async (t) => {
  t.equal(verdict('>=3.18', '3.19-rc1'), 'prerelease')
  t.equal(verdict('>=3.18.0-0', '3.19-rc1'), 'in')
  t.equal(verdict('>=3.19.0-rc2', '3.19-rc1'), 'out')
  t.equal(verdict('>=3.19.0-rc2', '3.19-rc10'), 'in', 'numbers count as numbers')
  t.equal(verdict('^3.18.0-0', '4.0-rc1'), 'out', 'of the version after the range neither')
  t.equal(verdict('3.17 - 3.20', '3.19-rc1'), 'prerelease', 'the dash between two versions names none')
})

t.test('what is no range is refused', async (t) => {
  t.throws(() => compileRange('new'))
})
