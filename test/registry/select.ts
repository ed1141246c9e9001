import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { parseImage, selectImages } from '../../src/registry/select.ts'

const DIGEST = digestOf(Buffer.from('x'))
const name = parseRepositoryName
const tag = parseTag

t.test('a repository, a tag and a digest are told apart, each by name or glob', async (t) => {
  const selection = selectImages(['a', 'b:v1', `c@${DIGEST}`, 'ocp4/**:4.1*', 'team/*'])
  t.same(
    selection.patterns.map(({ kind, name }) => [kind, name]),
    [
      ['repository', 'a'],
      ['tag', 'b'],
      ['digest', 'c'],
      ['tag', undefined],
      ['repository', undefined],
    ],
  )
  const [, one, digest, globs] = selection.patterns
  t.ok(one?.matchesTag(tag('v1')))
  t.notOk(one?.matchesTag(tag('v11')))
  t.ok(digest?.matchesDigest(DIGEST))
  t.notOk(digest?.matchesTag(tag('v1')))
  t.ok(globs?.matchesTag(tag('4.14.9')))
  t.notOk(globs?.matchesTag(tag('4.2')))
  t.notOk(globs?.matchesDigest(DIGEST))
})

t.test('one star stays in a component of the name, two go on', async (t) => {
  const texts = (text: string): string[] =>
    selectImages(['*', 'team/*', 'team/**', '**/app', '**'])
      .of(name(text))
      .map((pattern) => pattern.text)
  t.same(texts('app'), ['*', '**/app', '**'])
  t.same(texts('team/app'), ['team/*', 'team/**', '**/app', '**'])
  t.same(texts('team/x/app'), ['team/**', '**/app', '**'])
})

t.test('without a glob in a repository nothing must be walked', async (t) => {
  t.same(selectImages(['a', 'b:v*', 'a:x']).names, ['a', 'b'])
  t.equal(selectImages(['a', '*:v1']).names, undefined)
})

t.test('a digest may be shortened to the twelve digits that lists show', async (t) => {
  const [pattern] = selectImages([`a@${DIGEST.slice(0, 7 + 12)}`]).patterns
  t.ok(pattern?.matchesDigest(DIGEST))
  t.notOk(pattern?.matchesDigest(digestOf(Buffer.from('y'))))
})

t.test('what can mean no image is refused as wrong usage, with a hint that fits', async (t) => {
  for (const [text, hint] of [
    ['', /REPO:TAG/],
    ['A/b', /REPO:TAG/],
    ['a:', /a tag is/],
    ['a:-x', /a tag is/],
    ['a@sha256:12', /first 12/],
    ['a@SHA256:0123456789ab', /first 12/],
    [`a:v1@${DIGEST}`, /not both/],
    ['localhost:5000/a:v1', /^leave out the registry: a:v1$/],
  ] as const) {
    t.throws(() => selectImages([text]), { name: 'Problem', exitCode: 2, hint }, text)
  }
})

t.test('the name of one image means its tag latest unless it says otherwise, and takes no globs', async (t) => {
  t.same(parseImage('a/b'), { name: 'a/b', tag: 'latest' })
  t.same(parseImage('a/b:v1'), { name: 'a/b', tag: 'v1' })
  t.same(parseImage(`a/b@${DIGEST}`), { name: 'a/b', digest: DIGEST })
  for (const text of ['a*', 'a:v*', '**'])
    t.throws(() => parseImage(text), { name: 'Problem', exitCode: 2, hint: /tarn ls/ }, text)
})
