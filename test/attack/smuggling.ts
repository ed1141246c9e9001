// Requests that two servers in a row could cut at different places, and bytes that are no requests. Each one is
// refused or the connection is closed; the request that is hidden in it is never carried out.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import { findFault, listTree } from '../helpers/hostile.ts'
import { exchange, writeRequest } from '../helpers/raw-socket.ts'
import type { StartedTarn } from '../helpers/server.ts'
import { startTarn } from '../helpers/server.ts'

// Begins an upload, which makes a directory: proof that it was carried out.
const HIDDEN = 'POST /v2/smuggled/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'
const BEGIN = 'POST /v2/smuggled/blobs/uploads/ HTTP/1.1\r\nHost: x\r\n'

interface Smuggling {
  readonly name: string
  readonly raw: string
  /** How many answers below 400 may come before the refusal. */
  readonly served?: number
}

const FRAMING: readonly Smuggling[] = [
  {
    name: 'Content-Length and Transfer-Encoding',
    raw: `${BEGIN}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  },
  {
    name: 'Transfer-Encoding and Content-Length',
    raw: `${BEGIN}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`,
  },
  {
    name: 'two Content-Lengths that differ',
    raw: `${BEGIN}Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello`,
  },
  {
    name: 'two Content-Lengths that agree',
    raw: `${BEGIN}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
  },
  { name: 'a list of Content-Lengths', raw: `${BEGIN}Content-Length: 5, 5\r\n\r\nhello` },
  { name: 'a negative Content-Length', raw: `${BEGIN}Content-Length: -1\r\n\r\n` },
  { name: 'a Content-Length with a plus', raw: `${BEGIN}Content-Length: +5\r\n\r\nhello` },
  { name: 'a hexadecimal Content-Length', raw: `${BEGIN}Content-Length: 0x5\r\n\r\nhello` },
  { name: 'a Content-Length with an exponent', raw: `${BEGIN}Content-Length: 5e0\r\n\r\nhello` },
  { name: 'a broken Content-Length', raw: `${BEGIN}Content-Length: 5.0\r\n\r\nhello` },
  { name: 'a Content-Length of words', raw: `${BEGIN}Content-Length: five\r\n\r\nhello` },
  { name: 'an empty Content-Length', raw: `${BEGIN}Content-Length: \r\n\r\n` },
  { name: 'a Content-Length with a space inside', raw: `${BEGIN}Content-Length: 1 0\r\n\r\nhello hell` },
  { name: 'a Content-Length beyond 2^64', raw: `${BEGIN}Content-Length: 18446744073709551621\r\n\r\nhello` },
  {
    name: 'a Content-Length of a thousand digits',
    raw: `${BEGIN}Content-Length: ${'9'.repeat(1000)}\r\n\r\nhello`,
  },
  { name: 'a space before the colon', raw: `${BEGIN}Content-Length : 5\r\n\r\nhello` },
  { name: 'a tab before the colon', raw: `${BEGIN}Content-Length\t: 5\r\n\r\nhello` },
  {
    name: 'a space before Transfer-Encoding’s colon',
    raw: `${BEGIN}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
  },
  {
    name: 'Transfer-Encoding xchunked',
    raw: `${BEGIN}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  },
  {
    name: 'Transfer-Encoding chunked, identity',
    raw: `${BEGIN}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`,
  },
  {
    name: 'Transfer-Encoding identity with a body',
    raw: `${BEGIN}Transfer-Encoding: identity\r\n\r\n${HIDDEN}`,
  },
  {
    name: 'Transfer-Encoding in quotes',
    raw: `${BEGIN}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n${HIDDEN}`,
  },
  {
    name: 'Transfer-Encoding with a vertical tab',
    raw: `${BEGIN}Transfer-Encoding: \u000bchunked\r\n\r\n0\r\n\r\n`,
  },
  { name: 'Transfer-Encoding with a NUL', raw: `${BEGIN}Transfer-Encoding: chunked\u0000\r\n\r\n0\r\n\r\n` },
  {
    name: 'two Transfer-Encodings, the last not chunked',
    raw: `${BEGIN}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${HIDDEN}`,
  },
  {
    name: 'an empty Transfer-Encoding with a length',
    raw: `${BEGIN}Transfer-Encoding: \r\nContent-Length: 5\r\n\r\nhello`,
  },
  {
    name: 'Transfer-Encoding in HTTP/1.0 with a length',
    raw: `POST /v2/smuggled/blobs/uploads/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`,
  },
]

const CHUNKED =
  'PATCH /v2/a/blobs/uploads/12345678-1234-4234-8234-123456789abc HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'

const CHUNKS: readonly Smuggling[] = [
  { name: 'a chunk size of no hex', raw: `${CHUNKED}zz\r\nhello\r\n0\r\n\r\n` },
  { name: 'a negative chunk size', raw: `${CHUNKED}-5\r\nhello\r\n0\r\n\r\n` },
  { name: 'a chunk size with 0x', raw: `${CHUNKED}0x5\r\nhello\r\n0\r\n\r\n` },
  { name: 'a chunk size with a space before it', raw: `${CHUNKED} 5\r\nhello\r\n0\r\n\r\n` },
  { name: 'an empty chunk size', raw: `${CHUNKED}\r\nhello\r\n0\r\n\r\n` },
  { name: 'a chunk size beyond 2^64', raw: `${CHUNKED}10000000000000005\r\nhello\r\n0\r\n\r\n` },
  { name: 'a chunk longer than it says', raw: `${CHUNKED}3\r\nhello\r\n0\r\n\r\n` },
  { name: 'a chunk that ends in a bare line feed', raw: `${CHUNKED}5\r\nhello\n0\r\n\r\n` },
  { name: 'a chunk size that ends in a bare line feed', raw: `${CHUNKED}5\nhello\r\n0\r\n\r\n` },
  { name: 'a chunk without its end', raw: `${CHUNKED}5\r\nhello0\r\n\r\n` },
  { name: 'a chunk extension of 20 kB', raw: `${CHUNKED}5;${'x'.repeat(20_000)}\r\nhello\r\n0\r\n\r\n` },
  { name: 'a chunk extension with a bare line feed', raw: `${CHUNKED}5;a\nb\r\nhello\r\n0\r\n\r\n` },
  { name: 'a trailer of 80 kB', raw: `${CHUNKED}0\r\nX: ${'x'.repeat(80_000)}\r\n\r\n` },
  { name: 'a trailer that is no header', raw: `${CHUNKED}0\r\n\u0000\u0001: x\r\n\r\n` },
]

const LINES: readonly Smuggling[] = [
  { name: 'a bare line feed between headers', raw: `GET /v2/ HTTP/1.1\r\nHost: x\nX: y\r\n\r\n` },
  { name: 'bare line feeds throughout', raw: 'GET /v2/ HTTP/1.1\nHost: x\n\n' },
  { name: 'a bare carriage return in a header', raw: 'GET /v2/ HTTP/1.1\r\nHost: x\rX: y\r\n\r\n' },
  { name: 'a folded header', raw: 'GET /v2/ HTTP/1.1\r\nHost: x\r\nX: y\r\n  z\r\n\r\n' },
  { name: 'a folded first header', raw: 'GET /v2/ HTTP/1.1\r\n Host: x\r\n\r\n' },
  { name: 'a folded Content-Length', raw: `${BEGIN}Content-Length:\r\n 5\r\n\r\nhello` },
  { name: 'a NUL in a header’s value', raw: 'GET /v2/ HTTP/1.1\r\nHost: x\r\nX: a\u0000b\r\n\r\n' },
  { name: 'a NUL in a header’s name', raw: 'GET /v2/ HTTP/1.1\r\nHost: x\r\nX\u0000Y: a\r\n\r\n' },
  { name: 'a NUL in the target', raw: 'GET /v2/\u0000 HTTP/1.1\r\nHost: x\r\n\r\n' },
  { name: 'a control character in a value', raw: 'GET /v2/ HTTP/1.1\r\nHost: x\r\nX: \u0001\u007f\r\n\r\n' },
  { name: 'a header without a colon', raw: 'GET /v2/ HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n' },
  { name: 'a header without a name', raw: 'GET /v2/ HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n' },
  { name: 'a space in a header’s name', raw: 'GET /v2/ HTTP/1.1\r\nHost: x\r\nX Y: z\r\n\r\n' },
  { name: 'high bytes in a header’s name', raw: 'GET /v2/ HTTP/1.1\r\nHost: x\r\nX\u00e9: z\r\n\r\n' },
  { name: 'a header of 80 kB', raw: `GET /v2/ HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(80_000)}\r\n\r\n` },
  {
    name: 'a header’s name of 80 kB',
    raw: `GET /v2/ HTTP/1.1\r\nHost: x\r\n${'x'.repeat(80_000)}: y\r\n\r\n`,
  },
  { name: 'ten thousand headers', raw: `GET /v2/ HTTP/1.1\r\nHost: x\r\n${'X: y\r\n'.repeat(10_000)}\r\n` },
  { name: 'a target of 80 kB', raw: `GET /v2/${'a'.repeat(80_000)} HTTP/1.1\r\nHost: x\r\n\r\n` },
  { name: 'no Host', raw: 'GET /v2/ HTTP/1.1\r\n\r\n' },
]

const FIRST: readonly Smuggling[] = [
  { name: 'HTTP/0.9', raw: 'GET /v2/\r\n\r\n' },
  { name: 'HTTP/2.0', raw: 'GET /v2/ HTTP/2.0\r\nHost: x\r\n\r\n' },
  { name: 'HTTP/1.2', raw: 'GET /v2/ HTTP/1.2\r\nHost: x\r\n\r\n' },
  { name: 'HTTP/9.9', raw: 'GET /v2/ HTTP/9.9\r\nHost: x\r\n\r\n' },
  { name: 'http/1.1', raw: 'GET /v2/ http/1.1\r\nHost: x\r\n\r\n' },
  { name: 'HTTP/1.1x', raw: 'GET /v2/ HTTP/1.1x\r\nHost: x\r\n\r\n' },
  { name: 'the preface of HTTP/2', raw: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
  { name: 'a TLS hello', raw: '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003\r\n\r\n' },
  { name: 'SSH', raw: 'SSH-2.0-OpenSSH_9.2\r\n\r\n' },
  { name: 'an answer', raw: 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n' },
  { name: 'no method', raw: ' /v2/ HTTP/1.1\r\nHost: x\r\n\r\n' },
  { name: 'a method in small letters', raw: 'get /v2/ HTTP/1.1\r\nHost: x\r\n\r\n' },
  { name: 'a method that nobody knows', raw: 'FROB /v2/ HTTP/1.1\r\nHost: x\r\n\r\n' },
  { name: 'a method of 8 kB', raw: `${'A'.repeat(8000)} /v2/ HTTP/1.1\r\nHost: x\r\n\r\n` },
  { name: 'a method with a NUL', raw: 'GE\u0000T /v2/ HTTP/1.1\r\nHost: x\r\n\r\n' },
  { name: 'two spaces before the target', raw: 'GET  /v2/ HTTP/1.1\r\nHost: x\r\n\r\n', served: 1 },
  { name: 'a tab before the target', raw: 'GET\t/v2/ HTTP/1.1\r\nHost: x\r\n\r\n' },
  { name: 'a space in the target', raw: 'GET /v2/a b/tags/list HTTP/1.1\r\nHost: x\r\n\r\n' },
  { name: 'a target without a slash', raw: 'GET v2/ HTTP/1.1\r\nHost: x\r\n\r\n' },
  { name: 'no target', raw: 'GET HTTP/1.1\r\nHost: x\r\n\r\n' },
  { name: 'an asterisk for a GET', raw: 'GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' },
  { name: 'CONNECT to an authority', raw: 'CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n' },
  {
    name: 'an authority for a GET',
    raw: 'GET 127.0.0.1:5000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  },
  {
    name: 'an absolute target of another scheme',
    raw: 'GET ftp://x/v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  },
  {
    name: 'an absolute target of file:',
    raw: 'GET file:///etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  },
  { name: 'only line ends, then garbage', raw: '\r\n\r\n\r\n\u0001\u0002\r\n\r\n' },
  { name: 'a kilobyte of NULs', raw: '\u0000'.repeat(1024) },
  { name: 'a megabyte of noise', raw: `${'\u00ff\u00fe'.repeat(500_000)}\r\n\r\n` },
]

const PIPELINED: readonly Smuggling[] = [
  {
    name: 'garbage behind a request',
    raw: `GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n\u0001\u0002garbage\r\n\r\n`,
    served: 1,
  },
  {
    name: 'a body behind a GET without length',
    raw: `GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\nhello world\r\n\r\n`,
    served: 1,
  },
  {
    name: 'a request behind Connection: close',
    raw: `GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n${HIDDEN}`,
    served: 1,
  },
  {
    name: 'a request in the body of a GET',
    raw: `GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
    served: 1,
  },
  {
    name: 'a request in the body of a HEAD that is refused',
    raw: `HEAD /v2/_catalog HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  },
  {
    name: 'a request in the body of an unknown path',
    raw: `POST /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  },
  {
    name: 'a request in the body of a bad manifest',
    raw: `PUT /v2/a/manifests/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  },
  {
    name: 'a request in the chunks of a bad path',
    raw: `PUT /v2/A/manifests/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`,
  },
]

async function assault(t: Test, tarn: StartedTarn, cases: readonly Smuggling[]): Promise<void> {
  const before = listTree(tarn.directory)
  for (const { name, raw, served = 0 } of cases) {
    const problem = await judge(tarn, raw, served).catch((error: unknown) => (error as Error).message)
    t.equal(problem, undefined, name)
  }
  t.notOk(existsSync(join(tarn.data, 'docker/registry/v2/repositories/smuggled')), 'no hidden request was carried out')
  t.same(listTree(tarn.directory), before, 'nothing was made')
  const alive = await exchange(tarn.port, writeRequest('GET', '/v2/'))
  t.equal(alive.answers[0]?.status, 200, 'the server goes on')
}

async function judge(tarn: StartedTarn, raw: string, served: number): Promise<string | undefined> {
  const methods = [raw.slice(0, raw.indexOf(' '))]
  // The server has all of the request; what it still waits for after 300 ms will not come.
  const { answers, closed } = await exchange(tarn.port, Buffer.from(raw, 'latin1'), {
    methods,
    patience: 300,
  })
  if (!closed) return 'the connection stays open'
  const fine = answers.filter(({ status }) => status < 400).length
  if (fine > served) return `${fine} requests were served, at most ${served} may be`
  return answers
    .map((answer, at) => findFault(answer, methods[at] ?? ''))
    .find((fault, at) => fault !== undefined && (answers[at]?.status ?? 0) >= 400)
}

for (const [name, cases] of [
  ['lengths and codings', FRAMING],
  ['chunks', CHUNKS],
  ['header lines', LINES],
  ['first lines', FIRST],
  ['pipelines', PIPELINED],
] as const) {
  t.test(`smuggling by ${name}`, async (t) => {
    await assault(t, await startTarn(t), cases)
  })
}

t.test('an absolute-form target is served as its path, and its host is not believed', async (t) => {
  const tarn = await startTarn(t)
  const raw = 'GET http://evil.example/v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  const { answers } = await exchange(tarn.port, raw)
  t.ok([200, 400, 404].includes(answers[0]?.status ?? 0), `status ${answers[0]?.status}`)
  t.notMatch(answers[0]?.body.toString() ?? '', 'evil')
})

t.test('an expectation that nobody can meet is 417', async (t) => {
  const tarn = await startTarn(t)
  for (const expect of ['x', '200-ok', '100', '100-continued']) {
    const { answers } = await exchange(
      tarn.port,
      writeRequest('POST', '/v2/a/blobs/uploads/', [`Expect: ${expect}`], 'x'),
    )
    const [answer] = answers
    t.equal(answer?.status, 417, expect)
    t.equal(answer === undefined ? '' : findFault(answer, 'POST'), undefined, `${expect} in JSON`)
  }
})
