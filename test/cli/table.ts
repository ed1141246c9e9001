import t from 'tap'
import { formatAge, formatBytes, formatCount, formatTable, formatTree } from '../../src/cli/table.ts'

t.test('columns are as wide as their widest cell, numbers flush right, and no line ends in blanks', async (t) => {
  const rows = [
    ['NAME', 'TAGS', 'NOTE'],
    ['a', '1', ''],
    ['long/name', '1200', 'x'],
  ]
  t.equal(formatTable(rows, [1]), 'NAME       TAGS  NOTE\na             1\nlong/name  1200  x')
  t.equal(formatTable([]), '')
})

t.test('sizes have three digits that count and never say 1000 of a unit', async (t) => {
  const sizes = [0, 999, 1000, 9994, 9996, 99_949, 99_960, 999_499, 999_500, 1.5e12, 3.2e18]
  t.same(sizes.map(formatBytes), [
    '0 B',
    '999 B',
    '1.00 KB',
    '9.99 KB',
    '10.0 KB',
    '99.9 KB',
    '100 KB',
    '999 KB',
    '1.00 MB',
    '1.50 TB',
    '3.20 EB',
  ])
})

t.test('ages are told in their largest unit, and times to come as now', async (t) => {
  const ages = [-5, 59_999, 60_000, 3_599_999, 3_600_000, 47 * 3_600_000, 48 * 3_600_000]
  t.same(ages.map(formatAge), ['0 s', '59 s', '1 min', '59 min', '1 h', '47 h', '2 d'])
})

t.test('counts take the plural for everything but one', async (t) => {
  t.same(
    [formatCount(0, 'tag'), formatCount(1, 'tag'), formatCount(2, 'repository', 'repositories')],
    ['0 tags', '1 tag', '2 repositories'],
  )
})

t.test('a tree draws a line to every child, and none below the last', async (t) => {
  const tree = {
    text: 'a',
    children: [
      { text: 'b', children: [{ text: 'c' }] },
      { text: 'd', children: [{ text: 'e' }] },
    ],
  }
  t.equal(formatTree(tree), 'a\n├─ b\n│  └─ c\n└─ d\n   └─ e')
})
