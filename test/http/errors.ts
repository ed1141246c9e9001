import t from 'tap'
import { toRegistryError } from '../../src/http/errors.ts'
import { RegistryError, errorBody, registryError } from '../../src/oci/errors.ts'
import { breakSyncs } from '../helpers/store.ts'
import { codeOf, openClient } from '../helpers/client.ts'
import { buildRegistry } from '../../src/app.ts'
import { resolveConfig } from '../../src/config/load.ts'

const PATH = '/var/lib/registry/docker/registry/v2/secret'

function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: it went wrong, open '${PATH}'`), {
    code,
    syscall: 'open',
    path: PATH,
    errno: -1,
  })
}

for (const [code, words] of [
  ['ENOSPC', /no space left/],
  ['EDQUOT', /no space left/],
  ['EFBIG', /no space left/],
  ['EROFS', /cannot be used/],
  ['EACCES', /cannot be used/],
  ['EPERM', /cannot be used/],
  ['EIO', /disk .* errors/],
  ['EMFILE', /too many open files/],
  ['ENFILE', /too many open files/],
] as const) {
  t.test(`${code} is 503 UNAVAILABLE in words for people, without a path or a stack`, async (t) => {
    const cause = systemError(code)
    const error = toRegistryError(cause)
    t.same([error.status, error.code], [503, 'UNAVAILABLE'])
    t.match(error.message, words)
    t.equal(error.cause, cause, 'the log gets it all')
    t.notMatch(errorBody(error), /\/|secret|\bat \b|Error:/)
    if (words.source.includes('open files')) t.equal(error.headers['retry-after'], '1')
  })
}

t.test('what nobody foresaw is 500 UNKNOWN without a word of it', async (t) => {
  for (const thrown of [
    new TypeError(`x is not a function at ${PATH}`),
    'text',
    17,
    systemError('EBADF'),
    Object.assign(new Error(PATH), { statusCode: 502 }),
    {},
  ]) {
    const error = toRegistryError(thrown)
    t.same([error.status, error.code], [500, 'UNKNOWN'])
    t.equal(errorBody(error), '{"errors":[{"code":"UNKNOWN","message":"unknown error"}]}\n')
  }
})

t.test('undefined and null are no way around it', async (t) => {
  for (const thrown of [undefined, null]) t.equal(toRegistryError(thrown).status, 500)
})

t.test('an error of the registry is what it is', async (t) => {
  const error = registryError('BLOB_UNKNOWN', { detail: 'x' })
  t.equal(toRegistryError(error), error)
  t.ok(toRegistryError(error) instanceof RegistryError)
})

for (const [statusCode, status, code] of [
  [400, 400, 'UNSUPPORTED'],
  [401, 401, 'UNAUTHORIZED'],
  [404, 404, 'NAME_UNKNOWN'],
  [413, 413, 'SIZE_INVALID'],
  [415, 415, 'UNSUPPORTED'],
] as const) {
  t.test(`a refusal of Fastify with ${statusCode} keeps its status and is ${code}`, async (t) => {
    const error = toRegistryError(Object.assign(new Error('refused'), { statusCode }))
    t.same([error.status, error.code], [status, code])
  })
}

for (const code of ['ENOSPC', 'EIO', 'EROFS', 'EMFILE']) {
  t.test(
    `a push into a directory that says ${code} is answered 503, and the next one is taken when it no longer does`,
    async (t) => {
      let broken = true
      const lines: string[] = []
      const logger = { info() {}, warn() {}, debug() {}, trace() {}, fatal() {}, level: 'info', silent() {} }
      const log = {
        ...logger,
        error: (fields: object) => void lines.push(String((fields as { err?: unknown }).err)),
        child: () => log,
      }
      const app = await buildRegistry(resolveConfig({ storage: { filesystem: { rootdirectory: t.testdir({}) } } }), {
        sync: breakSyncs('link file', code, () => broken),
        logger: log,
      })
      t.teardown(() => app.close())
      const client = openClient({ url: await app.listen({ host: '127.0.0.1', port: 0 }) })
      t.teardown(() => client.close())
      const push = () =>
        client.send(
          'POST',
          `/v2/a/blobs/uploads/?digest=sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881`,
          { body: 'x' },
        )
      const refused = await push()
      t.equal(refused.status, 503)
      t.equal(codeOf(refused), 'UNAVAILABLE')
      t.notMatch(refused.body.toString(), /injected|\/tmp|\bat \b/)
      t.match(lines.join('\n'), `injected ${code}`, 'the log has the cause')
      broken = false
      t.equal((await push()).status, 201)
    },
  )
}
