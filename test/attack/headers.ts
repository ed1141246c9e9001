// Malformed, contradictory and oversized header values on requests that are fine otherwise.
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { openClient } from '../helpers/client.ts'
import { findFault, listTree } from '../helpers/hostile.ts'
import { pushBlob, pushImage } from '../helpers/push.ts'
import { exchange, valuesOf, writeRequest } from '../helpers/raw-socket.ts'
import { startTarn } from '../helpers/server.ts'

const MANY = Array.from({ length: 1500 }, (_, at) => `${at}-${at}`).join(',')

// RFC 9110 lets a server ignore a Range that it cannot read; then the whole blob comes, whole.
const RANGES: Readonly<Record<string, string>> = {
  'no range': 'bytes=',
  'only a dash': 'bytes=-',
  words: 'bytes=a-b',
  'no unit': '0-1',
  'another unit': 'items=0-1',
  'a unit of JavaScript': '__proto__=0-1',
  'no equals sign': 'bytes 0-1',
  backwards: 'bytes=9-1',
  'behind the end': 'bytes=1000000-',
  'a negative start': 'bytes=-1-5',
  'two dashes': 'bytes=1--5',
  'a plus': 'bytes=+1-5',
  'a broken number': 'bytes=1.5-3',
  'an exponent': 'bytes=1e1-2e1',
  hexadecimal: 'bytes=0x1-0x5',
  'beyond 2^53': 'bytes=9007199254740993-9007199254740999',
  'a suffix beyond 2^64': 'bytes=-99999999999999999999999',
  'a thousand digits': `bytes=${'9'.repeat(1000)}-`,
  'an empty part': 'bytes=,',
  'commas only': `bytes=${','.repeat(1000)}`,
  'one bad part of two': 'bytes=0-1,x',
  'overlapping parts': 'bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-,0-',
  '1,500 parts': `bytes=${MANY}`,
  'a thousand suffixes': `bytes=${'-1,'.repeat(1000)}-1`,
  'a NUL escaped': 'bytes=0%00-1',
  'wide digits': 'bytes=\u00ef\u00bc\u0090-\u00ef\u00bc\u0091',
}

t.test('ranges', async (t) => {
  const tarn = await startTarn(t)
  const client = openClient(tarn)
  const bytes = randomBytes(5000)
  const path = `/v2/a/blobs/${await pushBlob(client, 'a', bytes)}`
  client.close()
  for (const [name, range] of Object.entries(RANGES)) {
    const { answers } = await exchange(tarn.port, writeRequest('GET', path, [`Range: ${range}`]))
    const [answer] = answers
    t.equal(answers.length, 1, name)
    if (answer === undefined) continue
    t.equal(findFault(answer, 'GET', [200, 206, 400, 416]), undefined, name)
    if (answer.status === 200) t.ok(answer.body.equals(bytes), `${name}: the whole blob`)
    t.ok(answer.body.length <= 2 * bytes.length, `${name}: ${answer.body.length} bytes are no flood`)
  }
})

const HEADERS: Readonly<Record<string, readonly string[]>> = {
  'an Accept of 10,000 types': [`Accept: ${'a/b,'.repeat(3000)}`],
  'an Accept that is none': ['Accept: ;;;,,,===/'],
  'an Accept of q-values': ['Accept: */*;q=NaN, a/b;q=1e999, c/d;q=-1'],
  'forty Accept headers': Array.from({ length: 40 }, () => 'Accept: application/json'),
  'an If-None-Match of commas': [`If-None-Match: ${','.repeat(5000)}`],
  'an If-None-Match with an open quote': ['If-None-Match: "sha256:'],
  'an If-Range that is none': ['If-Range: "', 'Range: bytes=0-1'],
  'two Ranges': ['Range: bytes=0-1', 'Range: bytes=2-3'],
  'a Host with a port that is none': ['Host: x:99999999'],
  'a Host with a path': ['Host: x/../y'],
  'Forwarded with garbage': ['Forwarded: for="[::', 'X-Forwarded-Proto: javascript', 'X-Forwarded-Host: a"b'],
  'X-Forwarded-For of 10,000': [`X-Forwarded-For: ${'1.1.1.1,'.repeat(1000)}`],
  'a __proto__ header': ['__proto__: x', 'constructor: y', 'toString: z'],
  'an Upgrade to h2c': ['Upgrade: h2c', 'Connection: Upgrade', 'HTTP2-Settings: AAAA'],
  'an Upgrade to websocket': ['Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Key: AAAA'],
  'a Cookie of 8 kB': [`Cookie: ${'a=b;'.repeat(2000)}`],
  'an Authorization where no login is asked': ['Authorization: Basic %%%'],
  'a Bearer token where no login is asked': ['Authorization: Bearer abc'],
  'TE trailers': ['TE: trailers, deflate;q=0.5'],
  'Content-Encoding gzip on a GET': ['Content-Encoding: gzip'],
  'Accept-Encoding that forbids identity': ['Accept-Encoding: identity;q=0, *;q=0'],
  'a Date of no date': ['If-Modified-Since: yesterday', 'If-Unmodified-Since: 0'],
  'a Connection naming Host': ['Connection: Host, close'],
  'high bytes in a value': ['X: \u00ff\u00fe\u0080'],
}

t.test('other headers', async (t) => {
  const tarn = await startTarn(t)
  const client = openClient(tarn)
  await pushImage(client, 'a', 'headers', { reference: 'v1' })
  const blob = await pushBlob(client, 'a', Buffer.from('0123456789'))
  client.close()
  const before = listTree(tarn.directory)
  for (const [name, headers] of Object.entries(HEADERS)) {
    for (const path of ['/v2/', '/v2/_catalog', '/v2/a/tags/list', '/v2/a/manifests/v1', `/v2/a/blobs/${blob}`]) {
      for (const method of ['GET', 'HEAD']) {
        const { answers } = await exchange(tarn.port, writeRequest(method, path, headers), {
          methods: [method],
        })
        const [answer] = answers
        const fault =
          answer === undefined ? 'no answer' : findFault(answer, method, [200, 206, 304, 400, 401, 405, 416, 431])
        t.equal(fault, undefined, `${name}: ${method} ${path.slice(0, 20)}`)
        t.equal(answer === undefined ? 0 : valuesOf(answer, 'content-encoding').length, 0, `${name}: not encoded`)
      }
    }
  }
  t.same(listTree(tarn.directory), before)
})
