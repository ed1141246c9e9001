// The strict JSON reader, against JSON.parse as the judge of what is JSON.
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { RegistryError } from '../../src/oci/errors.ts'
import { parseJson } from '../../src/oci/json.ts'

/** A document as written: unlike a value, it can hold a key twice. */
type Written =
  | { readonly kind: 'scalar'; readonly value: string | number | boolean | null }
  | { readonly kind: 'array'; readonly elements: readonly Written[] }
  | { readonly kind: 'object'; readonly members: readonly (readonly [key: string, value: Written])[] }

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

function catchRefusal(act: () => unknown): RegistryError | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'MANIFEST_INVALID' && error.status === 400) return error
    throw error
  }
}

const anyText = fc.string({ unit: 'binary', maxLength: 6 })
const anyKey = fc.oneof(
  anyText,
  fc.constantFrom('a', 'b', '1', '', '__proto__', '"', '\\', '{', ']', ':', '\u2028', '\ud800'),
)
const { written: anyWritten } = fc.letrec<{ written: Written }>((tie) => ({
  written: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({
      kind: fc.constant('scalar' as const),
      value: fc.oneof(anyText, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
    }),
    fc.record({ kind: fc.constant('array' as const), elements: fc.array(tie('written'), { maxLength: 4 }) }),
    fc.record({
      kind: fc.constant('object' as const),
      members: fc.array(fc.tuple(anyKey, tie('written')), { maxLength: 5 }),
    }),
  ),
}))

/** Small and repeatable; the property gives the seed. */
function makeChoice(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state >>> 8) % below
  }
}

function print(document: Written, choose: (below: number) => number): string {
  const space = (): string => [' ', '\t', '\n', '\r', '  \r\n', '', '', ''][choose(8)] ?? ''
  const quote = (text: string): string => {
    const units = text.split('').map((unit) => {
      const code = unit.charCodeAt(0)
      const mustEscape = code < 0x20 || unit === '"' || unit === '\\' || (code >= 0xd800 && code < 0xe000)
      if (!mustEscape && choose(4) > 0) return unit
      const hex = code.toString(16).padStart(4, '0')
      const short = JSON.stringify(unit).slice(1, -1)
      return short.length === 2 && choose(2) === 0 ? short : `\\u${choose(2) === 0 ? hex : hex.toUpperCase()}`
    })
    return `"${units.join('')}"`
  }
  const write = (part: Written): string => {
    if (part.kind === 'array') return `[${space()}${part.elements.map(write).join(`,${space()}`)}${space()}]`
    if (part.kind === 'scalar') return typeof part.value === 'string' ? quote(part.value) : JSON.stringify(part.value)
    const members = part.members.map(([key, value]) => `${space()}${quote(key)}${space()}:${space()}${write(value)}`)
    return `{${members.join(`${space()},`)}${space()}}`
  }
  return `${space()}${write(document)}${space()}`
}

/** What the document means. JSON.parse cannot judge it: see the test about the key of one backslash. */
function evaluate(document: Written): unknown {
  if (document.kind === 'array') return document.elements.map(evaluate)
  if (document.kind === 'object')
    return Object.fromEntries(document.members.map(([key, value]) => [key, evaluate(value)]))
  // A number as its digits say it: -0 is written 0.
  return typeof document.value === 'number' ? Number(JSON.stringify(document.value)) : document.value
}

/** Where a document has both faults, the first that is met is named. */
function namesFault(message: string, isDeep: boolean, isTwin: boolean): boolean {
  return (isDeep && message.endsWith(' is nested deeper than 32 levels')) || (isTwin && message.endsWith(' twice'))
}

function hasTwin(document: Written): boolean {
  if (document.kind === 'scalar') return false
  if (document.kind === 'array') return document.elements.some(hasTwin)
  const keys = document.members.map(([key]) => key)
  return new Set(keys).size < keys.length || document.members.some(([, value]) => hasTwin(value))
}

function measureDepth(document: Written): number {
  if (document.kind === 'scalar') return 0
  const inner = document.kind === 'array' ? document.elements : document.members.map(([, value]) => value)
  return 1 + Math.max(0, ...inner.map(measureDepth))
}

function wrap(document: Written, levels: number): Written {
  let wrapped = document
  for (let level = 0; level < levels; level++)
    wrapped = level % 2 === 0 ? { kind: 'array', elements: [wrapped] } : { kind: 'object', members: [['k', wrapped]] }
  return wrapped
}

t.test('it takes what JSON.parse takes, less keys that come twice and nesting over 32 levels', async (t) => {
  const seen = { taken: 0, twin: 0, deep: 0 }
  fc.assert(
    fc.property(anyWritten, fc.integer(), fc.constantFrom(0, 0, 0, 28, 30, 31, 32, 40), (inner, seed, levels) => {
      const document = wrap(inner, levels)
      const text = print(document, makeChoice(seed))
      const isDeep = measureDepth(document) > 32
      const isTwin = hasTwin(document)
      const refusal = catchRefusal(() => parseJson(encode(text)))
      const tolerantRefusal = catchRefusal(() => parseJson(encode(text), 'tolerant'))
      if (isDeep) seen.deep++
      else if (isTwin) seen.twin++
      else seen.taken++
      if (isDeep !== (tolerantRefusal !== undefined)) return false
      if (isDeep || isTwin) return namesFault(refusal?.message ?? '', isDeep, isTwin)
      if (!isDeepStrictEqual(parseJson(encode(text)), evaluate(document))) return false
      return refusal === undefined
    }),
    { numRuns: 4000 },
  )
  t.ok(Math.min(seen.taken, seen.twin, seen.deep) > 100, `each kind came often: ${JSON.stringify(seen)}`)
})

t.test('a document with one character changed is refused exactly when JSON.parse refuses it', async (t) => {
  const seen = { taken: 0, refused: 0 }
  fc.assert(
    fc.property(
      anyWritten,
      fc.integer(),
      fc.nat(),
      fc.constantFrom(
        '',
        '"',
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '\\',
        '0',
        '-',
        '.',
        'e',
        't',
        '\0',
        '\ufeff',
        '\u00a0',
        '/',
      ),
      (document, seed, at, patch) => {
        const whole = print(document, makeChoice(seed))
        const place = at % (whole.length + 1)
        const text = whole.slice(0, place) + patch + whole.slice(place + (seed & 1))
        // A cut through a surrogate pair has no UTF-8 form.
        fc.pre(text.isWellFormed())
        const isJson = catchJsonParse(text)
        const refusal = catchRefusal(() => parseJson(encode(text), 'tolerant'))
        if (isJson) seen.taken++
        else seen.refused++
        return isJson === (refusal === undefined)
      },
    ),
    { numRuns: 4000 },
  )
  t.ok(Math.min(seen.taken, seen.refused) > 100, `each kind came often: ${JSON.stringify(seen)}`)
})

function catchJsonParse(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

t.test('every document of up to five tokens is judged and read as JSON.parse does', async (t) => {
  const tokens = ['{', '}', '[', ']', '"a"', ',', ':', '1']
  const wrong: string[] = []
  let taken = 0
  const judge = (text: string, left: number): void => {
    const isJson = catchJsonParse(text)
    const refusal = catchRefusal(() => parseJson(encode(text), 'tolerant'))
    if (isJson !== (refusal === undefined)) wrong.push(text)
    else if (isJson && isDeepStrictEqual(parseJson(encode(text), 'tolerant'), JSON.parse(text))) taken++
    else if (isJson) wrong.push(text)
    if (left > 0) for (const token of tokens) judge(text + token, left - 1)
  }
  judge('', 5)
  t.strictSame(wrong, [])
  t.ok(taken > 20, `${taken} were JSON`)
})

t.test('any bytes are read or refused with MANIFEST_INVALID', async (t) => {
  const structural = fc.array(fc.constantFrom(...Buffer.from('{}[]",:\\u0061 1e\xff\n', 'latin1')), {
    maxLength: 60,
  })
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }),
        structural.map((bytes) => Uint8Array.from(bytes)),
      ),
      (bytes) => {
        catchRefusal(() => parseJson(bytes))
        catchRefusal(() => parseJson(bytes, 'tolerant'))
      },
    ),
    { numRuns: 10_000 },
  )
  t.pass('nothing else was thrown')
})

const REFUSED: readonly (readonly [name: string, bytes: Uint8Array | string, message: RegExp])[] = [
  ['nothing', '', /not JSON/],
  ['a byte order mark', '\ufeff{}', /not JSON/],
  ['a document in UTF-16', Buffer.from('{"a":1}', 'utf16le'), /not JSON/],
  ['trailing text', '{} x', /not JSON/],
  ['a second document', '{}{}', /not JSON/],
  ['a trailing comma', '{"a":1,}', /not JSON/],
  ['a trailing NUL', '{}\0', /not JSON/],
  ['an object that ends as a list', '{"a":1]', /not JSON/],
  ['a list that ends as an object', '[1}', /not JSON/],
  ['a comment', '{/* */}', /not JSON/],
  ['single quotes', "{'a':1}", /not JSON/],
  ['a raw control character in a string', '["\n"]', /not JSON/],
  ['NaN', '[NaN]', /not JSON/],
  ['a leading zero', '[01]', /not JSON/],
  ['an unfinished string', '{"a', /not JSON/],
  ['a string that ends in a backslash', '{"a\\', /not JSON/],
  ['an unpaired closing bracket', ']', /not JSON/],
  ['a byte that is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), /not valid UTF-8/],
  ['an overlong encoding', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), /not valid UTF-8/],
  ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), /not valid UTF-8/],
  ['a key twice', '{"a":1,"b":2,"a":1}', /the document holds the key "a" twice$/],
  ['a key twice, once escaped', '{"a":1,"\\u0061":2}', /the document holds the key "a" twice$/],
  ['a key twice, differently escaped', '{"\\/":1,"\\u002F":2}', /the document holds the key "\/" twice$/],
  ['the empty key twice', '{"":1,"":1}', /the document holds the key "" twice$/],
  ['__proto__ twice', '{"__proto__":1,"__proto__":1}', /the key "__proto__" twice$/],
  [
    'a key twice within',
    '{"layers":[{},{"annotations":{"x":"","x":""}}]}',
    /: layers\[1\]\.annotations holds the key "x" twice$/,
  ],
  ['a key twice under an odd key', '{"a b":{"x":1,"x":1}}', /: \["a b"\] holds the key "x" twice$/],
  ['a key twice in a value that a later twin hides', '{"a":{"x":1,"x":2},"a":1}', /: a holds the key "x" twice$/],
  ['33 levels', `${'['.repeat(33)}${']'.repeat(33)}`, /nested deeper than 32 levels$/],
  [
    '33 levels of objects',
    `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`,
    /: a(?:\.a){31} is nested deeper than 32 levels$/,
  ],
]

for (const [name, input, message] of REFUSED)
  t.test(`${name} is refused`, async (t) => {
    const bytes = typeof input === 'string' ? encode(input) : input
    const refusal = catchRefusal(() => parseJson(bytes))
    t.match(refusal?.message, message)
    t.ok((refusal?.message.length ?? 0) < 4096, 'the message is short')
  })

t.test('the same key in different objects is no twin', async (t) => {
  const text = '{"a":{"a":[{"a":1},{"a":2}]},"b":{"a":"a"},"A":"\\"a\\":1"}'
  t.strictSame(parseJson(encode(text)), JSON.parse(text))
})

t.test('a tolerant reading keeps the last of two', async (t) => {
  t.strictSame(parseJson(encode('{"a":1,"a":2}'), 'tolerant'), { a: 2 })
})

t.test('an escaped key of one character is read right after the key of one backslash was met', async (t) => {
  // nodejs/node#63785: with JSON.parse both documents would have the key of the first.
  JSON.parse('{"before":1,"\\\\":2}')
  t.strictSame(parseJson(encode('{"before":1,"\\\\":2}')), { before: 1, '\\': 2 })
  t.strictSame(parseJson(encode('{"before":1,"\\u0061":2}')), { before: 1, a: 2 })
  t.match(catchRefusal(() => parseJson(encode('{"before":1,"\\n":2,"\\u000a":3}')))?.message, /"\\n" twice$/)
})

t.test('the key __proto__ is a member like any other', async (t) => {
  const value = parseJson(encode('{"__proto__":{"digest":"x"},"size":1}')) as object
  t.strictSame(Object.keys(value), ['__proto__', 'size'])
  t.equal(Object.getPrototypeOf(value), Object.prototype)
  t.notOk('digest' in value)
})

t.test('a message about a long key stays short', async (t) => {
  const key = 'k'.repeat(100_000)
  const refusal = catchRefusal(() => parseJson(encode(`{"${key}":{"${key}":1,"${key}":2}}`)))
  t.match(refusal?.message, /twice$/)
  t.ok((refusal?.message.length ?? 0) < 300)
})

t.test('32 levels are taken', async (t) => {
  t.ok(parseJson(encode(`${'['.repeat(32)}${']'.repeat(32)}`)))
})

t.test('200,000 values are the end: 4 MiB of empty objects would cost a hundred times as much memory', async (t) => {
  const fill = (count: number): Uint8Array => encode(`[${Array.from({ length: count }, () => '{}').join(',')}]`)
  t.equal((parseJson(fill(199_999)) as unknown[]).length, 199_999)
  t.throws(() => parseJson(fill(200_000)), { code: 'SIZE_INVALID', status: 413 })
})
