// Malformed upload ids, ranges, lengths and queries at every step of an upload, over raw sockets; the upload
// that they are aimed at must come out unharmed.
import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { locationOf, openClient } from '../helpers/client.ts'
import { hashOf } from '../helpers/digest.ts'
import type { HostileCase } from '../helpers/hostile.ts'
import { attack } from '../helpers/hostile.ts'
import { startTarn } from '../helpers/server.ts'

const HEX = 'd'.repeat(64)
const UUID = '12345678-1234-4234-8234-123456789abc'

const IDS: Readonly<Record<string, string>> = {
  'an unknown id': UUID,
  'an id of zeros': '00000000-0000-0000-0000-000000000000',
  'an upper-case id': UUID.toUpperCase(),
  'an id without dashes': UUID.replaceAll('-', ''),
  'an id in braces': `{${UUID}}`,
  'an id as a URN': `urn:uuid:${UUID}`,
  'a short id': UUID.slice(0, -1),
  'a long id': `${UUID}0`,
  'an id of other letters': UUID.replace('a', 'g'),
  'a dot': '.hidden',
  'a word': 'startedat',
  'the data file': `${UUID}%2Fdata`,
  'a climb': '%2e%2e',
  'an encoded climb with a slash': '..%2F..%2F_layers',
  'an escaped NUL': `${UUID}%00`,
  'an escaped dash': UUID.replace('-', '%2D'),
  'a trailing space': `${UUID}%20`,
  'a semicolon': `${UUID};x`,
  'a colon': `${UUID}:x`,
  '300 characters': 'a'.repeat(300),
  '5,000 characters': 'a'.repeat(5000),
  __proto__: '__proto__',
  'a digest': `sha256:${HEX}`,
  'an asterisk': '*',
  'raw UTF-8': '\u00c3\u00a9',
}

for (const method of ['GET', 'HEAD', 'PATCH', 'PUT', 'DELETE']) {
  t.test(`malformed and unknown upload ids at ${method}`, async (t) => {
    const tarn = await startTarn(t)
    const client = openClient(tarn)
    await client.send('POST', '/v2/a/blobs/uploads/')
    client.close()
    const query = method === 'PUT' ? `?digest=${hashOf('x')}` : ''
    await attack(
      t,
      tarn,
      Object.entries(IDS).map(([name, id]) => ({
        name: `${name} at ${method}`,
        method,
        path: `/v2/a/blobs/uploads/${id}${query}`,
        ...(method === 'PATCH' || method === 'PUT' ? { body: 'x' } : {}),
        status: [400, 404, 414],
      })),
    )
  })
}

// An upload of five bytes waits; none of these may add to it.
const CHUNKS: Readonly<Record<string, readonly string[]>> = {
  'a range behind the end': ['Content-Range: 6-7', 'Content-Length: 2'],
  'a range before the end': ['Content-Range: 4-5', 'Content-Length: 2'],
  'a range at zero': ['Content-Range: 0-1', 'Content-Length: 2'],
  'a range that runs backwards': ['Content-Range: 6-5', 'Content-Length: 2'],
  'a range longer than the body': ['Content-Range: 5-9', 'Content-Length: 2'],
  'a range shorter than the body': ['Content-Range: 5-5', 'Content-Length: 2'],
  'a negative range': ['Content-Range: -5--4', 'Content-Length: 2'],
  'an open range': ['Content-Range: 5-', 'Content-Length: 2'],
  'a suffix range': ['Content-Range: -2', 'Content-Length: 2'],
  'a range of words': ['Content-Range: five-six', 'Content-Length: 2'],
  'a range with a plus': ['Content-Range: +5-6', 'Content-Length: 2'],
  'a range in hexadecimal': ['Content-Range: 0x5-0x6', 'Content-Length: 2'],
  'a range with an exponent': ['Content-Range: 5e0-6e0', 'Content-Length: 2'],
  'a broken range': ['Content-Range: 5.0-6.0', 'Content-Length: 2'],
  'a range beyond 2^53': ['Content-Range: 5-99999999999999999999', 'Content-Length: 2'],
  'two ranges': ['Content-Range: 5-5,6-6', 'Content-Length: 2'],
  'two Content-Range headers': ['Content-Range: 5-6', 'Content-Range: 0-1', 'Content-Length: 2'],
  'an empty Content-Range': ['Content-Range: ', 'Content-Length: 2'],
  'another unit': ['Content-Range: items 5-6/7', 'Content-Length: 2'],
  'a star for the range': ['Content-Range: bytes */7', 'Content-Length: 2'],
  'spaces inside': ['Content-Range: 5 - 6', 'Content-Length: 2'],
  'a thousand digits': [`Content-Range: ${'9'.repeat(1000)}-${'9'.repeat(1000)}`, 'Content-Length: 2'],
}

for (const method of ['PATCH', 'PUT']) {
  t.test(`a ${method} with a Content-Range that does not fit adds nothing`, async (t) => {
    const tarn = await startTarn(t)
    const client = openClient(tarn)
    t.teardown(() => client.close())
    const path = locationOf(await client.send('POST', '/v2/a/blobs/uploads/'))
    await client.send('PATCH', path, { body: 'hello' })
    const digest = hashOf('hello')
    await attack(
      t,
      tarn,
      Object.entries(CHUNKS).map(([name, headers]): HostileCase => ({
        name: `${name} in a ${method}`,
        method,
        path: method === 'PUT' ? `${path}?digest=${digest}` : path,
        headers,
        body: 'xx',
        status: [400, 416],
      })),
    )
    const done = await client.send('PUT', `${path}?digest=${digest}`)
    t.equal(done.status, 201, 'the upload is as it was')
    const hex = digest.slice(7)
    const stored = join(tarn.data, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
    t.equal(readFileSync(stored, 'utf8'), 'hello')
  })
}

const QUERIES: Readonly<Record<string, readonly [method: string, path: string]>> = {
  'an unknown digest-algorithm': ['POST', '/v2/a/blobs/uploads/?digest-algorithm=md5'],
  'an empty digest-algorithm': ['POST', '/v2/a/blobs/uploads/?digest-algorithm='],
  'a digest-algorithm of JavaScript': ['POST', '/v2/a/blobs/uploads/?digest-algorithm=__proto__'],
  'an empty digest': ['POST', '/v2/a/blobs/uploads/?digest='],
  'an empty mount': ['POST', '/v2/a/blobs/uploads/?mount=&from=a'],
  'a tag for a mount': ['POST', '/v2/a/blobs/uploads/?mount=latest&from=a'],
  'a digest that the body is not': ['POST', `/v2/a/blobs/uploads/?digest=sha256:${HEX}`],
  'a catalog of n=-1': ['GET', '/v2/_catalog?n=-1'],
  'a catalog of n=1e9': ['GET', '/v2/_catalog?n=1e9'],
  'a catalog of n=NaN': ['GET', '/v2/_catalog?n=NaN'],
  'a catalog of n=%00': ['GET', '/v2/_catalog?n=%00'],
  'a catalog of an empty n': ['GET', '/v2/_catalog?n='],
  'a catalog of n with a space': ['GET', '/v2/_catalog?n=%201'],
  'a catalog of n with a line feed': ['GET', '/v2/_catalog?n=1%0A'],
  'a catalog of n in other digits': ['GET', '/v2/_catalog?n=%D9%A1'],
  'tags of n=-1': ['GET', '/v2/a/tags/list?n=-1'],
  'tags of n=+1': ['GET', '/v2/a/tags/list?n=+1'],
  'tags of n=1.0': ['GET', '/v2/a/tags/list?n=1.0'],
  'tags of n=true': ['GET', '/v2/a/tags/list?n=true'],
  'tags of n[]=1 and n=x': ['GET', '/v2/a/tags/list?n[]=1&n=x'],
  'a tag parameter with a slash': ['PUT', `/v2/a/manifests/${hashOf('{}')}?tag=a/b`],
  'an empty tag parameter': ['PUT', `/v2/a/manifests/${hashOf('{}')}?tag=`],
  'a tag parameter of 129 characters': ['PUT', `/v2/a/manifests/${hashOf('{}')}?tag=${'a'.repeat(129)}`],
  'a hundred thousand tag parameters': ['PUT', `/v2/a/manifests/${hashOf('{}')}?${'tag=a&'.repeat(100_000)}`],
  'two hundred tag parameters': [
    'PUT',
    `/v2/a/manifests/${hashOf('{}')}?${Array.from({ length: 200 }, (_, at) => `tag=t${at}`).join('&')}`,
  ],
}

t.test('malformed queries', async (t) => {
  const tarn = await startTarn(t)
  const client = openClient(tarn)
  await client.send('DELETE', locationOf(await client.send('POST', '/v2/a/blobs/uploads/')))
  client.close()
  const cases = Object.entries(QUERIES).map(([name, [method, path]]) => ({
    name,
    method,
    path,
    ...(method === 'GET' ? {} : { body: method === 'PUT' ? '{}' : 'x' }),
    status: [400, 404, 413, 414, 431],
  }))
  await attack(t, tarn, cases)
})
