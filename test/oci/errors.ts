// The errors that clients see: code, status and body by the specification.
import t from 'tap'
import type { ErrorCode } from '../../src/oci/errors.ts'
import { RegistryError, errorBody, registryError } from '../../src/oci/errors.ts'

// distribution-spec 1.1 "Error Codes" has names only; statuses and messages are docker/distribution's.
const EXPECTED: readonly (readonly [code: ErrorCode, status: number, message: string])[] = [
  ['BLOB_UNKNOWN', 404, 'blob unknown to registry'],
  ['BLOB_UPLOAD_INVALID', 404, 'blob upload invalid'],
  ['BLOB_UPLOAD_UNKNOWN', 404, 'blob upload unknown to registry'],
  ['DENIED', 403, 'requested access to the resource is denied'],
  ['DIGEST_INVALID', 400, 'provided digest did not match uploaded content'],
  ['MANIFEST_BLOB_UNKNOWN', 400, 'blob unknown to registry'],
  ['MANIFEST_INVALID', 400, 'manifest invalid'],
  ['MANIFEST_UNKNOWN', 404, 'manifest unknown'],
  ['NAME_INVALID', 400, 'invalid repository name'],
  ['NAME_UNKNOWN', 404, 'repository name not known to registry'],
  ['RANGE_INVALID', 416, 'invalid content range'],
  ['SIZE_INVALID', 400, 'provided length did not match content length'],
  ['TAG_INVALID', 400, 'manifest tag did not match URI'],
  ['TOOMANYREQUESTS', 429, 'too many requests'],
  ['UNAUTHORIZED', 401, 'authentication required'],
  ['UNAVAILABLE', 503, 'service unavailable'],
  ['UNKNOWN', 500, 'unknown error'],
  ['UNSUPPORTED', 405, 'The operation is unsupported.'],
]

for (const [code, status, message] of EXPECTED)
  t.test(`${code} answers ${status}`, async (t) => {
    const error = registryError(code)
    t.match(error, { code, status, message, headers: {}, others: [] })
    t.equal(errorBody(error), `{"errors":[{"code":"${code}","message":"${message}"}]}\n`)
  })

t.test('message, detail, status, headers and cause can be set', async (t) => {
  const cause = new Error('inner')
  const options = { message: 'm', detail: { Tag: 'x' }, status: 413, headers: { 'retry-after': '1' }, cause }
  const error = registryError('SIZE_INVALID', options)
  t.match(error, { code: 'SIZE_INVALID', status: 413, message: 'm', headers: options.headers })
  t.equal(error.cause, cause)
  t.ok(error instanceof Error)
  t.equal(error.name, 'RegistryError')
  t.equal(errorBody(error), '{"errors":[{"code":"SIZE_INVALID","message":"m","detail":{"Tag":"x"}}]}\n')
})

t.test('an error without cause has no such member', async (t) => {
  t.notOk('cause' in registryError('UNKNOWN'))
})

t.test('a detail of null is written', async (t) => {
  t.match(errorBody(registryError('UNAUTHORIZED', { detail: null })), /"detail":null/)
})

t.test('neither cause nor stack is in the body', async (t) => {
  const body = errorBody(registryError('UNKNOWN', { cause: new Error('/a/path/of/ours') }))
  t.notMatch(body, /path|stack|cause/)
})

t.test('several errors are one body', async (t) => {
  const others = [registryError('MANIFEST_BLOB_UNKNOWN', { detail: 'b' })]
  const error = new RegistryError('MANIFEST_BLOB_UNKNOWN', { detail: 'a' }, others)
  const body = JSON.parse(errorBody(error)) as { errors: { detail: string }[] }
  t.strictSame(
    body.errors.map(({ detail }) => detail),
    ['a', 'b'],
  )
})
