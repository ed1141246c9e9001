// Too much, too slow, for too long: what a hostile upstream sends is capped in bytes, entries and time (section 2C),
// and no name that it invents reaches an object's prototype (R37).
import t from 'tap'
import type { Test } from 'tap'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseReference } from '../../src/oci/reference.ts'
import { LONGEST_PAUSE } from '../../src/upstream/rate.ts'
import { hashOf } from '../helpers/digest.ts'
import { catchUpstream, openUpstream, send, sendJson, startFake, startRaw } from '../helpers/upstream.ts'
import type { Answer } from '../helpers/upstream.ts'

const NAME = parseRepositoryName('team/app')
const TAG = parseReference('latest')
const DIGEST = parseDigest(hashOf('x'))
const SHORT = { timeouts: { connect: 300, headers: 300, idle: 300, whole: 600 } }

const endless: Answer = (_, response) => {
  const pump = (): void => {
    while (!response.destroyed && response.write(' '.repeat(65_536)));
    if (!response.destroyed) response.once('drain', pump)
  }
  pump()
}

const drip: Answer = (_, response) => {
  response.writeHead(200)
  const timer = setInterval(() => response.write(' '), 50)
  response.on('close', () => clearInterval(timer))
}

for (const [what, act] of Object.entries({
  manifest: (t: Test, origin: string) => openUpstream(t, [origin]).getManifest(NAME, TAG),
  'tag list': (t: Test, origin: string) => openUpstream(t, [origin]).listTags(NAME),
  'list of referrers': (t: Test, origin: string) => openUpstream(t, [origin]).listReferrers(NAME, DIGEST),
})) {
  t.test(`an endless ${what} is cut off`, async (t) => {
    const fake = await startFake(t, endless)
    t.equal((await catchUpstream(act(t, fake.origin))).kind, 'invalid')
  })

  t.test(`a ${what} that says to be too large is not read`, async (t) => {
    const fake = await startFake(
      t,
      (_, response) => void response.writeHead(200, { 'content-length': '99999999' }).write('x'),
    )
    t.equal((await catchUpstream(act(t, fake.origin))).kind, 'invalid')
  })
}

t.test('a manifest of 4 MiB is taken, one byte more is not', async (t) => {
  let size = 4_194_304
  const fake = await startFake(t, (_, response) => response.end(Buffer.alloc(size, ' ')))
  const client = openUpstream(t, [fake.origin])
  t.equal((await client.getManifest(NAME, TAG)).bytes.length, size)
  size += 1
  t.equal((await catchUpstream(client.getManifest(NAME, TAG))).kind, 'invalid')
})

for (const [what, body] of Object.entries({
  'of 70,000 bytes': `{"token":"x","padding":"${'x'.repeat(70_000)}"}`,
  'of nested lists': '['.repeat(30_000),
  'of nested lists that are closed': `${'['.repeat(30_000)}${']'.repeat(30_000)}`,
  'that is HTML': '<html></html>',
  'that is empty': '',
})) {
  t.test(`a token answer ${what} is not used`, async (t) => {
    const fake = await startFake(t, ({ url }, response) => {
      if (url.startsWith('/token')) response.end(body)
      else send(response, 401, { 'www-authenticate': `Bearer realm="${fake.origin}/token"` })
    })
    t.equal((await catchUpstream(openUpstream(t, [fake.origin]).getManifest(NAME, TAG))).kind, 'invalid')
    t.equal(fake.seen.length, 2)
  })
}

t.test('an endless token answer is cut off', async (t) => {
  const fake = await startFake(t, (request, response) => {
    if (request.url.startsWith('/token')) endless(request, response)
    else send(response, 401, { 'www-authenticate': `Bearer realm="${fake.origin}/token"` })
  })
  t.equal((await catchUpstream(openUpstream(t, [fake.origin]).getManifest(NAME, TAG))).kind, 'invalid')
})

t.test('a token answer that drips is given up', async (t) => {
  const fake = await startFake(t, (request, response) => {
    if (request.url.startsWith('/token')) drip(request, response)
    else send(response, 401, { 'www-authenticate': `Bearer realm="${fake.origin}/token"` })
  })
  t.equal((await catchUpstream(openUpstream(t, [fake.origin], SHORT).getManifest(NAME, TAG))).kind, 'unreachable')
})

t.test('headers of more than 16 KiB are refused', async (t) => {
  const raw = await startRaw(t, (socket) => socket.end(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`))
  t.equal((await catchUpstream(openUpstream(t, [raw.origin]).getManifest(NAME, TAG))).kind, 'invalid')
})

t.test('ten thousand headers are refused', async (t) => {
  const raw = await startRaw(t, (socket) => socket.end(`HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(10_000)}\r\n`))
  t.equal((await catchUpstream(openUpstream(t, [raw.origin]).getManifest(NAME, TAG))).kind, 'invalid')
})

t.test('endless interim answers are given up', async (t) => {
  const raw = await startRaw(t, (socket) => {
    const pump = (): void => {
      while (!socket.destroyed && socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100)));
      if (!socket.destroyed) socket.once('drain', pump)
    }
    pump()
  })
  const client = openUpstream(t, [raw.origin], SHORT)
  t.equal((await catchUpstream(client.getManifest(NAME, TAG))).kind, 'unreachable')
  t.equal((await catchUpstream(client.getBlob({ repository: NAME, digest: DIGEST }))).kind, 'unreachable')
})

t.test('R37: headers named after the prototype are headers like others', async (t) => {
  const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']
  const head = names.map((name) => `${name}: evil\r\n${name}: twice\r\n`).join('')
  const raw = await startRaw(t, (socket) => socket.end(`HTTP/1.1 200 OK\r\n${head}Content-Length: 2\r\n\r\n{}`))
  t.equal((await openUpstream(t, [raw.origin]).getManifest(NAME, TAG)).bytes.toString(), '{}')
  t.equal(({} as Record<string, unknown>)['evil'], undefined)
})

for (const [what, header] of Object.entries({
  'a hundred thousand commas': ','.repeat(7000),
  'a thousand schemes': 'Negotiate, '.repeat(700),
  'a quote without end': `Bearer realm="${'\\'.repeat(7000)}`,
  'equals signs': `Bearer ${'='.repeat(7000)}`,
  'letters without end': `Bearer ${'a'.repeat(7000)}`,
  'a thousand parameters': `Bearer ${'a=b,'.repeat(1500)}`,
  'more than 8 KiB': `Bearer realm="http://127.0.0.1/",x="${'x'.repeat(9000)}"`,
})) {
  t.test(`a challenge of ${what} costs nothing and leads nowhere`, async (t) => {
    const fake = await startFake(t, (_, response) => send(response, 401, { 'www-authenticate': header }))
    const before = process.cpuUsage()
    t.equal((await catchUpstream(openUpstream(t, [fake.origin]).getManifest(NAME, TAG))).kind, 'unauthorized')
    // Work, not time: the machine may have other things to do.
    t.ok(process.cpuUsage(before).user < 1_000_000, 'microseconds')
    t.equal(fake.seen.length, 1)
  })
}

for (const [what, header, pause] of [
  ['a billion seconds', '1000000000', LONGEST_PAUSE],
  ['more seconds than numbers hold', '9'.repeat(60), LONGEST_PAUSE],
  ['a thousand digits', '9'.repeat(1000), 30_000],
  ['a date in a thousand years', 'Wed, 21 Oct 3015 07:28:00 GMT', LONGEST_PAUSE],
  ['a date in the past', 'Wed, 21 Oct 2015 07:28:00 GMT', 0],
  ['a negative number', '-5', 30_000],
  ['a fraction', '1.5', 30_000],
  ['an exponent', '1e9', 30_000],
  ['words', 'tomorrow', 30_000],
] as const) {
  t.test(`Retry-After of ${what} is a pause of ${pause} ms`, async (t) => {
    const fake = await startFake(t, (_, response) => send(response, 429, { 'retry-after': header }))
    const error = await catchUpstream(openUpstream(t, [fake.origin]).getManifest(NAME, TAG))
    t.match(error, { kind: 'limited', retryAfter: pause })
  })
}

for (const [what, header] of Object.entries({ words: 'many', negative: '-1', huge: '9'.repeat(40), empty: '' })) {
  t.test(`ratelimit-remaining of ${what} is not believed`, async (t) => {
    const fake = await startFake(t, (_, response) => send(response, 200, { 'ratelimit-remaining': header }, '{}'))
    const client = openUpstream(t, [fake.origin])
    await client.getManifest(NAME, TAG)
    t.equal(client.state[0]?.rate, undefined)
  })
}

t.test('an upstream that takes the request and says nothing is given up', async (t) => {
  const fake = await startFake(t, () => undefined)
  t.equal((await catchUpstream(openUpstream(t, [fake.origin], SHORT).getManifest(NAME, TAG))).kind, 'unreachable')
})

t.test('a manifest that stops in the middle is given up', async (t) => {
  const fake = await startFake(t, (_, response) => void response.writeHead(200, { 'content-length': '9' }).write('x'))
  t.equal((await catchUpstream(openUpstream(t, [fake.origin], SHORT).getManifest(NAME, TAG))).kind, 'unreachable')
})

t.test('a manifest that drips for ever is given up', async (t) => {
  const fake = await startFake(t, drip)
  t.equal((await catchUpstream(openUpstream(t, [fake.origin], SHORT).getManifest(NAME, TAG))).kind, 'unreachable')
})

t.test('a tag list that drips for ever is given up', async (t) => {
  const fake = await startFake(t, drip)
  t.equal((await catchUpstream(openUpstream(t, [fake.origin], SHORT).listTags(NAME))).kind, 'unreachable')
})

t.test('a blob that stops in the middle is given up', async (t) => {
  const fake = await startFake(t, (_, response) => void response.writeHead(200, { 'content-length': '9' }).write('x'))
  const { body } = await openUpstream(t, [fake.origin], SHORT).getBlob({ repository: NAME, digest: DIGEST })
  const error = await catchUpstream(
    (async () => {
      for await (const _ of body);
    })(),
  )
  t.equal(error.kind, 'unreachable')
})

t.test('a blob that drips is given up after a minute of waiting for it', async (t) => {
  let elapsed = 0
  const fake = await startFake(t, drip)
  const client = openUpstream(t, [fake.origin], { elapsed: () => (elapsed += 20_000) })
  const { body } = await client.getBlob({ repository: NAME, digest: DIGEST })
  const error = await catchUpstream(
    (async () => {
      for await (const _ of body);
    })(),
  )
  t.equal(error.kind, 'unreachable')
  t.match(error.message, /only \d bytes in a minute/)
})

t.test('a tag list of too many tags is cut and said to be so', async (t) => {
  const fake = await startFake(t, (_, response) =>
    sendJson(response, { tags: Array.from({ length: 200 }, (_, number) => `t${number}`) }),
  )
  const list = await openUpstream(t, [fake.origin], { limits: { tags: 100 } }).listTags(NAME)
  t.equal(list.tags.length, 100)
  t.notOk(list.complete)
})

t.test('a tag list of endless pages is cut and said to be so', async (t) => {
  const fake = await startFake(t, (_, response) => {
    const number = fake.seen.length
    sendJson(response, { tags: [`t${number}`] }, { link: `</v2/team/app/tags/list?last=${number}>; rel="next"` })
  })
  const list = await openUpstream(t, [fake.origin], { limits: { pages: 7 } }).listTags(NAME)
  t.equal(list.tags.length, 7)
  t.notOk(list.complete)
  t.equal(fake.seen.length, 7)
})

t.test('a tag list that runs in a circle is refused', async (t) => {
  const fake = await startFake(t, (_, response) =>
    sendJson(response, { tags: ['a'] }, { link: '</v2/team/app/tags/list?last=a>; rel="next"' }),
  )
  t.equal((await catchUpstream(openUpstream(t, [fake.origin]).listTags(NAME))).kind, 'invalid')
  t.equal(fake.seen.length, 2)
})

t.test('a list of referrers that is too long is cut and said to be so', async (t) => {
  const manifests = Array.from({ length: 30 }, (_, size) => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: hashOf(`${size}`),
    size,
  }))
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  const fake = await startFake(t, (_, response) => sendJson(response, { schemaVersion: 2, mediaType, manifests }))
  const list = await openUpstream(t, [fake.origin], { limits: { referrers: 20 } }).listReferrers(NAME, DIGEST)
  t.equal(list.descriptors.length, 20)
  t.notOk(list.complete)
})

t.test('a redirect whose body never ends does not hold the next request', async (t) => {
  const fake = await startFake(t, (request, response) => {
    if (request.url === '/moved') send(response, 200, {}, '{}')
    else {
      response.writeHead(302, { location: '/moved' })
      endless(request, response)
    }
  })
  t.equal((await openUpstream(t, [fake.origin]).getManifest(NAME, TAG)).bytes.toString(), '{}')
})

t.test('an error whose body never ends is an error at once', async (t) => {
  const fake = await startFake(t, (request, response) => {
    response.writeHead(500)
    endless(request, response)
  })
  t.equal((await catchUpstream(openUpstream(t, [fake.origin]).getManifest(NAME, TAG))).status, 500)
})
