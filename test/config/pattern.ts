import t from 'tap'
import { compilePattern } from '../../src/config/pattern.ts'

t.test('the pattern of distribution’s manual compiles and matches', async (t) => {
  const pattern = compilePattern(String.raw`^https?://([^/]+\.)*example\.com/`)
  t.ok(pattern?.test('https://cdn.example.com/layer'))
  t.notOk(pattern?.test('https://example.com.evil.org/layer'))
})

t.test('escaped punctuation keeps its meaning, inside a class and outside', async (t) => {
  const pattern = compilePattern(String.raw`^a\-b[\-_\:]c\\d$`)
  t.ok(pattern?.test('a-b-c\\d'))
  t.ok(pattern?.test('a-b:c\\d'))
  t.notOk(pattern?.test('a-bxc\\d'))
})

t.test('leading flags of RE2 are kept', async (t) => t.ok(compilePattern('(?i)^HTTPS:')?.test('https://x')))

t.test('RE2’s older spelling of named groups is taken', async (t) => t.ok(compilePattern('(?P<host>x)')?.test('x')))

for (const text of ['(', '[[:alpha:]]', String.raw`x\z`, String.raw`\Qa.b\E`, '(?U)x', 'a(?i)b']) {
  t.test(`${text} is refused rather than read differently`, async (t) => t.equal(compilePattern(text), undefined))
}
