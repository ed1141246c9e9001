import fc from 'fast-check'
import t from 'tap'
import { isDigest } from '../../src/oci/digest.ts'
import { isRepositoryName } from '../../src/oci/name.ts'
import { parsePath, parseQuery } from '../../src/http/path.ts'
import type { Target } from '../../src/http/path.ts'

const HEX = 'a'.repeat(64)
const DIGEST = `sha256:${HEX}`

const PATHS: Readonly<Record<string, Target | 'unknown' | 'escape'>> = {
  '/v2': { kind: 'base' },
  '/v2/': { kind: 'base' },
  '/v2/?x=y': { kind: 'base' },
  '/v2/_catalog': { kind: 'catalog' },
  '/v2/_catalog?n=5&last=a': { kind: 'catalog' },
  '/v2/a/tags/list': { kind: 'tags', name: 'a' },
  '/v2/a/b/c/tags/list': { kind: 'tags', name: 'a/b/c' },
  '/v2/a/manifests/v1': { kind: 'manifest', name: 'a', reference: 'v1' },
  [`/v2/a/b/manifests/${DIGEST}`]: { kind: 'manifest', name: 'a/b', reference: DIGEST },
  [`/v2/a/blobs/${DIGEST}`]: { kind: 'blob', name: 'a', digest: DIGEST },
  '/v2/a/blobs/uploads': { kind: 'uploads', name: 'a' },
  '/v2/a/blobs/uploads/': { kind: 'uploads', name: 'a' },
  '/v2/a/blobs/uploads/?mount=x': { kind: 'uploads', name: 'a' },
  '/v2/a/blobs/uploads/some-id': { kind: 'upload', name: 'a', id: 'some-id' },
  [`/v2/a/referrers/${DIGEST}?artifactType=x`]: { kind: 'referrers', name: 'a', digest: DIGEST },

  // Words of the API are components like any other.
  '/v2/tags/tags/list': { kind: 'tags', name: 'tags' },
  '/v2/blobs/uploads/blobs/uploads/': { kind: 'uploads', name: 'blobs/uploads' },
  '/v2/manifests/manifests/manifests': { kind: 'manifest', name: 'manifests', reference: 'manifests' },
  '/v2/a/tags/list/tags/list': { kind: 'tags', name: 'a/tags/list' },
  '/v2/a/blobs/x/manifests/y': { kind: 'manifest', name: 'a/blobs/x', reference: 'y' },

  // Three escapes, decoded once, in any case.
  '/v2/a%2Fb/tags/list': { kind: 'tags', name: 'a/b' },
  '/v2/a%2fb/tags/list': { kind: 'tags', name: 'a/b' },
  [`/v2/a/blobs/sha256%3A${HEX}`]: { kind: 'blob', name: 'a', digest: DIGEST },
  [`/v2/a/blobs/sha256%3a${HEX}`]: { kind: 'blob', name: 'a', digest: DIGEST },
  '/v2/a/blobs/sha512%2Bb64u:x': { kind: 'blob', name: 'a', digest: 'sha512+b64u:x' },
  '/v2/a%252Fb/tags/list': 'escape',
  '/v2/%61/tags/list': 'escape',
  '/v2/a/manifests/%2e%2e': 'escape',
  '/v2/a/manifests/v1%00': 'escape',
  '/v2/a/manifests/v1%': 'escape',
  '/v2/a/manifests/v1%2': 'escape',
  '/v2/a/manifests/v1%zz': 'escape',
  '/v2/a/tags/list%0d%0aX: y': 'escape',

  // distribution's redirects to the clean path; the query comes along.
  '/v2//_catalog?n=1': { kind: 'redirect', to: '/v2/_catalog?n=1' },
  '/v2/_catalog/': { kind: 'redirect', to: '/v2/_catalog' },
  '/v2/a//b/tags/list': { kind: 'redirect', to: '/v2/a/b/tags/list' },
  '/v2/a/tags/list/': { kind: 'redirect', to: '/v2/a/tags/list' },
  '/v2/a/../b/tags/list': { kind: 'redirect', to: '/v2/b/tags/list' },
  '/v2/./a/tags/list': { kind: 'redirect', to: '/v2/a/tags/list' },
  '/v2/a/%2F/b/tags/list': { kind: 'redirect', to: '/v2/a/b/tags/list' },

  '/v2/a': 'unknown',
  '/v2/a/b': 'unknown',
  '/v2/a/tags': 'unknown',
  '/v2/tags/list': 'unknown',
  '/v2/manifests/v1': 'unknown',
  '/v2/blobs/uploads/': 'unknown',
  '/v2/a/tags/other': 'unknown',
  '/v2/../../etc/passwd': 'unknown',
  '/v2/../a/tags/list': 'unknown',
  '/v2/a/../../../etc/tags/list': 'unknown',
  '/v2/_catalog/x': 'unknown',
}

for (const [path, wanted] of Object.entries(PATHS)) {
  t.test(`${path} is ${typeof wanted === 'string' ? wanted : wanted.kind}`, async (t) => {
    const target = parsePath(path)
    if (typeof wanted !== 'string') t.same(target, wanted)
    else {
      const [status, code] = wanted === 'escape' ? [400, 'NAME_INVALID'] : [404, 'NAME_UNKNOWN']
      t.match(target, { kind: 'invalid', error: { status, code } })
    }
  })
}

// Paths near enough to real ones that all branches are met.
const piece = fc.oneof(
  fc.constantFrom(
    'v2',
    'a',
    'b-c',
    'tags',
    'list',
    'manifests',
    'blobs',
    'uploads',
    'referrers',
    '_catalog',
    '_layers',
    DIGEST,
  ),
  fc.constantFrom(
    '',
    '.',
    '..',
    '%2F',
    '%2f',
    '%3A',
    '%2B',
    '%2E%2E',
    '%',
    '%00',
    '%252f',
    '\\',
    'A',
    '?',
    '#',
    '\u0000',
    'ü',
    ' ',
  ),
  fc.string({ maxLength: 6 }),
)
const anyPath = fc.oneof(
  fc.array(piece, { maxLength: 9 }).map((parts) => `/v2/${parts.join('/')}`),
  fc.array(piece, { maxLength: 9 }).map((parts) => parts.join('/')),
  fc.string(),
)

t.test('no text makes the parser throw, and what it gives is a target', async () => {
  fc.assert(
    fc.property(anyPath, (path) => {
      const { kind } = parsePath(path)
      return [
        'base',
        'catalog',
        'tags',
        'manifest',
        'blob',
        'uploads',
        'upload',
        'referrers',
        'redirect',
        'invalid',
      ].includes(kind)
    }),
    { numRuns: 5000 },
  )
})

t.test(
  'no target has a part that could climb, and no name passes the grammar that could mean a place of the store',
  async () => {
    fc.assert(
      fc.property(anyPath, (path) => {
        const target = parsePath(path)
        if (!('name' in target)) return true
        const parts = target.name.split('/')
        if (parts.some((part) => part === '' || part === '.' || part === '..')) return false
        return (
          !isRepositoryName(target.name) || parts.every((part) => /^[a-z0-9]/.test(part) && !/[%\\\0?#\s]/.test(part))
        )
      }),
      { numRuns: 5000 },
    )
  },
)

t.test('an escape is decoded once: what is left of a percent sign never gets into a target', async () => {
  fc.assert(
    fc.property(anyPath, (path) => {
      const target = parsePath(path)
      const texts = Object.entries(target).flatMap(([key, value]) =>
        key === 'to' || typeof value !== 'string' ? [] : [value],
      )
      return texts.every((text) => !text.includes('%'))
    }),
    { numRuns: 5000 },
  )
})

t.test('a redirect stays below /v2, leads to a target, and leads there at once', async () => {
  fc.assert(
    fc.property(anyPath, (path) => {
      const target = parsePath(path)
      if (target.kind !== 'redirect') return true
      return target.to.startsWith('/v2/') && !['redirect', 'invalid'].includes(parsePath(target.to).kind)
    }),
    {
      numRuns: 5000,
      examples: [['/v2/a//tags/list?x=%2e'], ['/v2/a/./b//manifests/v1/'], ['/v2/x/../blobs/uploads/']],
    },
  )
})

t.test('every way of escaping a right path means the same', async () => {
  const name = fc.stringMatching(/^[a-z0-9]+(?:[._-][a-z0-9]+)*(?:\/[a-z0-9]+){0,2}$/)
  fc.assert(
    fc.property(name, fc.infiniteStream(fc.boolean()), (text, coin) => {
      const escaped = `${text}/manifests/${DIGEST}`.replaceAll(/[/:]/g, (char) =>
        coin.next().value === true ? encodeURIComponent(char) : char,
      )
      const target = parsePath(`/v2/${escaped}`)
      return target.kind === 'manifest' && target.name === text && isDigest(target.reference)
    }),
    { numRuns: 500 },
  )
})

for (const query of ['%', 'n=%2', 'last=%zz', 'last=%ff', 'digest=%c0%af', 'x=%ed%a0%80']) {
  t.test(`an escape that stands for no character is 400: ?${query}`, async (t) => {
    for (const path of ['/v2/', '/v2/_catalog', '/v2/a/tags/list', '/v2/a/blobs/uploads/']) {
      t.match(parsePath(`${path}?${query}`), { kind: 'invalid', error: { code: 'UNSUPPORTED', status: 400 } }, path)
    }
  })
}

t.test('a query keeps the plus of media types and decodes the rest once', async (t) => {
  const query = parseQuery('/v2/a/referrers/x?artifactType=application/vnd.x+json&last=a%2Fb&x=%252F&n=')
  t.same(Object.fromEntries(query), { artifactType: 'application/vnd.x+json', last: 'a/b', x: '%2F', n: '' })
  t.equal([...parseQuery('/v2/')].length, 0)
  t.same(parseQuery('/v2/?tag=a&tag=b').getAll('tag'), ['a', 'b'])
  t.doesNotThrow(() => fc.assert(fc.property(fc.string(), (text) => parseQuery(text) instanceof URLSearchParams)))
})
