import t from 'tap'
import { matchesEtag } from '../../src/http/etag.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const OTHER = `sha256:${'b'.repeat(64)}`

for (const header of [
  `"${DIGEST}"`,
  DIGEST,
  `W/"${DIGEST}"`,
  `"${OTHER}", "${DIGEST}"`,
  `"${DIGEST}","x"`,
  '*',
  ` "${DIGEST}" `,
]) {
  t.test(`If-None-Match: ${header.replaceAll('a'.repeat(64), 'a…')} means this one`, async (t) => {
    t.equal(matchesEtag(header, DIGEST), true)
  })
}

for (const header of [
  undefined,
  '',
  '""',
  `"${OTHER}"`,
  DIGEST.slice(0, -1),
  `${DIGEST}a`,
  `"${DIGEST.toUpperCase()}"`,
  ',',
  'W/',
]) {
  t.test(`If-None-Match: ${String(header)} means another`, async (t) => {
    t.equal(matchesEtag(header, DIGEST), false)
  })
}
