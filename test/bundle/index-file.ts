import { execFileSync, spawnSync } from 'node:child_process'
import t from 'tap'
import { parseIndex, writeIndex } from '../../src/bundle/index-file.ts'
import { digestFor, makeContent, makeIndex } from '../helpers/bundle-facts.ts'

type Json = Record<string, unknown>

/** The index with one thing changed, in its one form; the id is that of the unchanged one. */
function change(edit: (top: Json) => void): Buffer {
  const top = JSON.parse(writeIndex(makeIndex()).toString()) as Json
  edit(top)
  return Buffer.from(`${JSON.stringify(sortKeys(top))}\n`)
}

function sortKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sortKeys)
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, sortKeys(inner)]))
}

const listAt = (top: Json, key: string): Json[] => top[key] as Json[]
const at = (list: unknown, place: number): Json => (list as Json[])[place] as Json

t.test('an index that was written is read as it was', async (t) => {
  const index = makeIndex()
  t.same(parseIndex(writeIndex(index)), index)
})

const hasJq = spawnSync('jq', ['--version']).error === undefined

t.test('an index is what jq -cS writes', { skip: !hasJq }, async (t) => {
  const bytes = writeIndex(makeIndex())
  t.equal(execFileSync('jq', ['-cS', '.'], { input: bytes }).toString(), bytes.toString())
})

t.test('the parser of the tests itself takes an unchanged index', async (t) => {
  t.same(parseIndex(change(() => undefined)), makeIndex())
})

const FLAWS: Readonly<Record<string, [RegExp, (top: Json) => void]>> = {
  'another format': [/format "tarn-bundle\/2"/, (top) => (top['format'] = 'tarn-bundle/2')],
  'another id': [/id of the bundle is not that of its content/, (top) => (top['id'] = '0'.repeat(64))],
  'an id with a path in it': [/not the id of a bundle/, (top) => (top['id'] = '../x')],
  'no sequence': [/sequence is no whole number/, (top) => delete top['sequence']],
  'a sequence of 0': [/sequence is no whole number/, (top) => (top['sequence'] = 0)],
  'a time with a zone': [/created is no whole number/, (top) => (top['created'] = '2026-11-01T00:00:00+01:00')],
  'a day that no month has': [/created is no time/, (top) => (top['created'] = '2026-02-30T00:00:00Z')],
  'a time that no tar holds': [/created is no whole number/, (top) => (top['created'] = '9999-01-01T00:00:00Z')],
  'more bytes than it carries': [/one form/, (top) => (top['bytes'] = 1e15)],
  'a wrong word about plain tar': [/one form/, (top) => (top['plainTar'] = true)],
  'a member that nobody knows': [/"extra", which is no part/, (top) => (top['extra'] = 1)],
  'a member of a blob that nobody knows': [/one form/, (top) => (at(listAt(top, 'blobs'), 0)['path'] = '/etc')],
  'ten thousand parts': [/parts is no whole number/, (top) => (top['parts'] = 10_000)],
  'no blobs': [/blobs is no list/, (top) => (top['blobs'] = null)],
  'a blob twice': [
    /names the blob .* twice/,
    (top) => listAt(top, 'blobs').splice(1, 0, { ...at(listAt(top, 'blobs'), 0) }),
  ],
  'a digest in capitals': [
    /not a sha256 or sha512 digest/,
    (top) => (at(listAt(top, 'blobs'), 0)['digest'] = digestFor('x').toUpperCase()),
  ],
  'a size below zero': [/size is no whole number/, (top) => (at(listAt(top, 'blobs'), 0)['size'] = -1)],
  'a size with a fraction': [/size is no whole number/, (top) => (at(listAt(top, 'blobs'), 0)['size'] = 1.5)],
  'a part that there is not': [/part is no whole number/, (top) => (at(listAt(top, 'blobs'), 0)['part'] = 4)],
  'a blob of an earlier part behind': [/out of order/, (top) => (at(listAt(top, 'blobs'), 3)['part'] = 2)],
  'a needed blob before a carried one': [/out of order/, (top) => (at(listAt(top, 'blobs'), 0)['part'] = 0)],
  'one slice': [/do not make the blob/, (top) => (at(listAt(top, 'blobs'), 2)['slices'] as Json[]).pop()],
  'slices that are too short': [
    /do not make the blob/,
    (top) => (at(at(listAt(top, 'blobs'), 2)['slices'], 0)['size'] = 5),
  ],
  'two slices in one part': [
    /do not make the blob/,
    (top) => (at(at(listAt(top, 'blobs'), 2)['slices'], 1)['part'] = 2),
  ],
  'no repository': [/holds no image/, (top) => (top['repositories'] = [])],
  'a repository that climbs': [
    /not the name of a repository/,
    (top) => (at(listAt(top, 'repositories'), 0)['name'] = '../../etc'),
  ],
  'repositories out of order': [
    /out of order/,
    (top) => (top['repositories'] = listAt(top, 'repositories').toReversed()),
  ],
  'a repository twice': [
    /out of order/,
    (top) => listAt(top, 'repositories').push({ ...at(listAt(top, 'repositories'), 1) }),
  ],
  'a place beyond the blobs': [
    /layers is no whole number/,
    (top) => (at(listAt(top, 'repositories'), 1)['layers'] = [1, 2, 5]),
  ],
  'places out of order': [/out of order/, (top) => (at(listAt(top, 'repositories'), 1)['layers'] = [2, 1, 4])],
  'a place twice': [/out of order/, (top) => (at(listAt(top, 'repositories'), 1)['layers'] = [1, 1, 2, 4])],
  'an image that is no manifest': [
    /none of the repository's manifests/,
    (top) => (at(listAt(top, 'repositories'), 1)['images'] = [{ manifest: 1, tags: [] }]),
  ],
  'an image twice': [
    /out of order/,
    (top) =>
      (at(listAt(top, 'repositories'), 1)['images'] = [
        { manifest: 0, tags: [] },
        { manifest: 0, tags: [] },
      ]),
  ],
  'a repository without an image': [/has no image/, (top) => (at(listAt(top, 'repositories'), 1)['images'] = [])],
  'a tag that climbs': [
    /not a tag/,
    (top) => (at(listAt(top, 'repositories'), 1)['images'] = [{ manifest: 0, tags: ['../x'] }]),
  ],
  'tags out of order': [
    /out of order/,
    (top) => (at(listAt(top, 'repositories'), 1)['images'] = [{ manifest: 0, tags: ['v2', 'v1'] }]),
  ],
  'a blob that nobody uses': [/no repository uses/, (top) => (at(listAt(top, 'repositories'), 1)['layers'] = [1, 2])],
  'a manifest of a terabyte': [/too large for a manifest/, (top) => (at(listAt(top, 'blobs'), 0)['size'] = 1e12)],
  'a signature of nothing in the bundle': [
    /is of nothing in the bundle/,
    (top) => (at(listAt(top, 'signatures'), 0)['of'] = digestFor('else')),
  ],
  'signatures with a gap': [/have a gap/, (top) => (at(listAt(top, 'signatures'), 0)['number'] = 2)],
  'a tenth signature': [/number is no whole number/, (top) => (at(listAt(top, 'signatures'), 0)['number'] = 10)],
  'a signature by sha512': [
    /not a sha256 digest/,
    (top) => (at(listAt(top, 'signatures'), 0)['digest'] = `sha512:${'0'.repeat(128)}`),
  ],
  'something else that it builds on': [
    /neither bundle nor inventory/,
    (top) => (top['buildsOn'] = [{ kind: 'faith', id: '0'.repeat(64), sequence: 1 }]),
  ],
}

for (const [what, [message, edit]] of Object.entries(FLAWS)) {
  t.test(`an index is refused that has ${what}`, async (t) => {
    t.throws(() => parseIndex(change(edit)), { message, exitCode: 4 })
  })
}

t.test('an index that is not in its one form is refused', async (t) => {
  const text = writeIndex(makeIndex()).toString()
  for (const [other, message] of [
    [text.trimEnd(), /one form/],
    [` ${text}`, /one form/],
    [`${text}\n`, /one form/],
    [text.replace('"parts":3', '"parts":3.0'), /one form/],
    [text.replace('"parts":3', '"parts":3,"parts":3'), /twice/],
    [text.slice(0, -10), /is not JSON/],
    ['[]', /is no object/],
    ['[['.repeat(100_000), /nested deeper/],
    ['', /is not JSON/],
  ] as const) {
    t.throws(() => parseIndex(Buffer.from(other)), { message, exitCode: 4 })
  }
})

t.test('the id does not depend on parts, and does on what is left out', async (t) => {
  const content = makeContent()
  const { id } = makeIndex(content)
  const whole = content.blobs.map(({ digest, size, part }) => ({ digest, size, part: Math.min(1, part) }))
  t.equal(makeIndex({ ...content, blobs: whole }, { parts: 1 }).id, id)
  t.not(makeIndex({ ...content, blobs: whole.map((blob) => ({ ...blob, part: 1 })) }).id, id)
  t.not(makeIndex({ ...content, signatures: [] }).id, id)
})
