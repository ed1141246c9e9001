// Repository names: the grammar of the specification, and nothing that could leave the data directory.
import { posix } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { isRepositoryName, parseRepositoryName } from '../../src/oci/name.ts'
import { catchRefusal } from '../fixtures/manifest-parts.ts'

const GOOD: readonly string[] = [
  'a',
  '0',
  'a/b/c',
  'ocp4/openshift4',
  'quay.io/openshift-release-dev/ocp-release',
  'a.b_c__d-e---f',
  'manifests/blobs/uploads/tags/list',
  'a'.repeat(255),
  `${'a/'.repeat(127)}a`,
]

for (const text of GOOD)
  t.test(`${JSON.stringify(text.slice(0, 50))} of ${text.length} characters is a name`, async (t) => {
    t.equal(parseRepositoryName(text), text)
  })

const BAD: readonly string[] = [
  '',
  '/',
  '/a',
  'a/',
  'a//b',
  '.',
  '..',
  'a/../b',
  'a/./b',
  'a..b',
  'a.',
  '.a',
  '-a',
  'a-',
  '_a',
  'a_',
  'a___b',
  'a-_b',
  'a._b',
  'a/_uploads',
  'A',
  'a/B',
  'a b',
  'a\\b',
  'a:5000/b',
  'a%2fb',
  'a\n',
  'a\0',
  '\u00e4',
  '\u0430',
  '\ud800',
  'a'.repeat(256),
  `${'a/'.repeat(127)}aa`,
]

for (const text of BAD)
  t.test(`${JSON.stringify(text.slice(0, 50))} of ${text.length} characters is no name`, async (t) => {
    const refusal = catchRefusal(() => parseRepositoryName(text))
    t.equal(refusal?.code, 'NAME_INVALID')
    t.equal(refusal?.status, 400)
    t.ok((refusal?.message.length ?? 0) < 200, 'the message is short')
  })

t.test('a name is a clean relative path of the grammar in every case', async (t) => {
  const grammar = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
  const anyName = fc.string({ unit: fc.constantFrom('a', '0', '.', '_', '-', '/', 'A'), maxLength: 10 })
  let names = 0
  fc.assert(
    fc.property(anyName, (text) => {
      if (isRepositoryName(text) !== grammar.test(text)) return false
      if (!isRepositoryName(text)) return true
      names++
      return posix.join('/root', text) === `/root/${text}` && text.split('/').every((part) => /^[^._-]/.test(part))
    }),
    { numRuns: 20_000 },
  )
  t.ok(names > 100, `${names} of them were names`)
})

t.test('a long hostile name is judged in linear time', async (t) => {
  const started = process.cpuUsage()
  for (const unit of ['a', '-', 'a-', '/', 'a/', '_']) t.notOk(isRepositoryName(unit.repeat(1 << 20)))
  const worst = `${'a-'.repeat(126)}A`
  for (let run = 0; run < 1000; run++) isRepositoryName(worst)
  const { user } = process.cpuUsage(started)
  t.ok(user < 2_000_000, `took ${user} microseconds of processor time`)
})
