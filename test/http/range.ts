import fc from 'fast-check'
import t from 'tap'
import { formatReceived, parseContentRange, parseRange } from '../../src/http/range.ts'

type Wanted = 'ignored' | 'unsatisfiable' | readonly (readonly [start: number, end: number])[]

// Of a blob of 10 bytes; ends are exclusive here.
const RANGES: Readonly<Record<string, Wanted>> = {
  'bytes=0-9': [[0, 10]],
  'bytes=0-0': [[0, 1]],
  'bytes=9-9': [[9, 10]],
  'bytes=3-': [[3, 10]],
  'bytes=-3': [[7, 10]],
  'bytes=-10': [[0, 10]],
  'bytes=-100': [[0, 10]],
  'bytes=0-100': [[0, 10]],
  'bytes=0-999999999999999': [[0, 10]],
  'bytes=0-99999999999999999999999': [[0, 10]],
  'bytes=0-1,a-b': 'unsatisfiable',
  'BYTES=1-2': [[1, 3]],
  '  bytes=1-2  ': [[1, 3]],
  'bytes= 1-2 , 4-5': [
    [1, 3],
    [4, 6],
  ],
  'bytes=,1-2,,': [[1, 3]],
  'bytes=4-5,0-1': [
    [4, 6],
    [0, 2],
  ],
  'bytes=0-1,20-30': [[0, 2]],
  'bytes=10-': 'unsatisfiable',
  'bytes=10-20': 'unsatisfiable',
  'bytes=-0': 'unsatisfiable',
  'bytes=5-4': 'unsatisfiable',
  'bytes=20-30,40-50': 'ignored',
  'bytes=0-9,0-9': 'ignored',
  'bytes=0-,0-,0-': 'ignored',
  '': 'ignored',
  bytes: 'ignored',
  'bytes=': 'unsatisfiable',
  'bytes=-': 'unsatisfiable',
  'bytes=a-b': 'unsatisfiable',
  'bytes=1': 'unsatisfiable',
  'bytes=+1-2': 'unsatisfiable',
  'bytes=0x1-2': 'unsatisfiable',
  'bytes=1-2-3': 'unsatisfiable',
  'bytes=1 - 2': 'unsatisfiable',
  'bytes=1-2;3-4': 'unsatisfiable',
  'bytes=0-1e9': 'unsatisfiable',
  'bytes=1.0-2': 'unsatisfiable',
  'bytes=9999999999999999-': 'unsatisfiable',
  'items=0-1': 'ignored',
  'bytes=0-1\nX: y': 'unsatisfiable',
  [`bytes=${Array.from({ length: 65 }, () => '0-0').join(',')}`]: 'ignored',
}

function show(header: string | undefined, size: number): Wanted {
  const result = parseRange(header, size)
  return result.kind === 'ranges' ? result.ranges.map(({ start, end }) => [start, end] as const) : result.kind
}

for (const [header, wanted] of Object.entries(RANGES)) {
  t.test(`Range: ${JSON.stringify(header).slice(0, 60)}`, async (t) => {
    t.same(show(header, 10), wanted)
  })
}

t.test('without a header the whole is sent', async (t) => {
  t.equal(show(undefined, 10), 'ignored')
})

t.test('64 ranges are served, 65 are not', async (t) => {
  const of = (count: number): string => `bytes=${Array.from({ length: count }, (_, i) => `${i}-${i}`).join(',')}`
  t.equal(show(of(64), 1000).length, 64)
  t.equal(show(of(65), 1000), 'ignored')
})

t.test('ranges are what cutting the bytes one by one gives, in the order asked', async () => {
  const number = fc.oneof(fc.nat(20), fc.nat(1000))
  const spec = fc.oneof(
    fc.tuple(number, number).map(([from, to]) => ({ text: `${from}-${to}`, from, to, last: false })),
    number.map((from) => ({ text: `${from}-`, from, to: Infinity, last: false })),
    number.map((count) => ({ text: `-${count}`, from: count, to: 0, last: true })),
  )
  fc.assert(
    fc.property(fc.array(spec, { minLength: 1, maxLength: 5 }), fc.nat(40), (specs, size) => {
      const bytes = Array.from({ length: size }, (_, i) => i)
      // The model: filter, without any arithmetic on ends.
      const cut = specs.map(({ from, to, last }) =>
        bytes.filter((i) => (last ? i >= size - from : i >= from && i <= to)),
      )
      const got = parseRange(`bytes=${specs.map(({ text }) => text).join(', ')}`, size)
      const some = cut.filter((part) => part.length > 0)
      const asked = some.reduce((sum, part) => sum + part.length, 0)
      const backwards = specs.some(({ from, to, last }) => !last && to < from)
      if (backwards || some.length === 0)
        return got.kind === (specs.length === 1 && size > 0 ? 'unsatisfiable' : 'ignored')
      if (some.length > 1 && asked > size) return got.kind === 'ignored'
      return (
        got.kind === 'ranges' &&
        JSON.stringify(got.ranges.map(({ start, end }) => bytes.slice(start, end))) === JSON.stringify(some)
      )
    }),
    { numRuns: 5000 },
  )
})

t.test('whatever the header says, every range lies within the blob and all together are no more than it', async () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `bytes=${text}`),
        fc.stringMatching(/^bytes=[0-9, -]{0,40}$/),
      ),
      fc.nat(100),
      (header, size) => {
        const result = parseRange(header, size)
        if (result.kind !== 'ranges') return true
        const total = result.ranges.reduce((sum, { start, end }) => sum + end - start, 0)
        return total <= size && result.ranges.every(({ start, end }) => start >= 0 && start < end && end <= size)
      },
    ),
    { numRuns: 5000 },
  )
})

t.test('the Content-Range of a chunk has two inclusive ends, and no unit need be there', async (t) => {
  const right: Readonly<Record<string, [number, number]>> = {
    '0-0': [0, 1],
    '0-9': [0, 10],
    '10-19': [10, 10],
    'bytes 0-9': [0, 10],
    'bytes=0-9': [0, 10],
    '0-9/10': [0, 10],
    '0-9/*': [0, 10],
    ' 5-5 ': [5, 1],
  }
  for (const [header, [start, length]] of Object.entries(right))
    t.same(parseContentRange(header), { start, length }, header)
  for (const header of [
    '',
    '-',
    '5',
    '5-',
    '-5',
    '9-0',
    'a-b',
    '0-9,10-19',
    '+0-9',
    '0x0-9',
    '1e1-2',
    '0-9/x',
    'bytes',
    '0--9',
    '99999999999999999999-0',
  ]) {
    t.equal(parseContentRange(header), undefined, JSON.stringify(header))
  }
})

t.test('an upload says what is there inclusively, and 0-0 for nothing', async (t) => {
  t.same([0, 1, 2, 1000].map(formatReceived), ['0-0', '0-0', '0-1', '0-999'])
})
