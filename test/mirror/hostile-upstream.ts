// §2C: an upstream that takes away, goes back, floods, stalls or asks for patience for ever. What is here stays and is
// served, and nobody waits without end.
import type { ServerResponse } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { hashOf } from '../helpers/digest.ts'
import type { Victim } from '../helpers/liar.ts'
import { ask, checkMine, HERE, startVictim, tagsHere } from '../helpers/liar.ts'
import { until } from '../helpers/mirror.ts'
import { OCI_MANIFEST } from '../helpers/push.ts'
import { send } from '../helpers/upstream.ts'

const HOUR = 3_600_000

/** A mirrored image under the tag `latest`, whole, and no longer fresh. */
async function setStale(t: Test): Promise<Victim & { readonly digest: string; readonly body: Buffer }> {
  const victim = await startVictim(t)
  const { stock, mirror } = victim
  const { digest } = stock.image(['latest'], [stock.blob(Buffer.from('a layer'))])
  const { body } = await ask(mirror.client, 'manifests/latest')
  await until('the image is whole', () => tagsHere(victim).includes('latest'))
  mirror.turn(HOUR)
  return { ...victim, digest, body }
}

const page = Buffer.from('<html>log in</html>')
const TAKEN: Readonly<Record<string, (response: ServerResponse) => void>> = {
  'says 404': (response) => send(response, 404),
  'says 410 Gone': (response) => send(response, 410),
  'says 401': (response) => send(response, 401, { 'www-authenticate': 'Basic realm="x"' }),
  'says 402': (response) => send(response, 402),
  'says 403': (response) => send(response, 403),
  'says 405': (response) => send(response, 405),
  'says 429 for a thousand million seconds': (response) => send(response, 429, { 'retry-after': '1000000000' }),
  'says 429 until the year 9999': (response) => send(response, 429, { 'retry-after': 'Fri, 31 Dec 9999 23:59:59 GMT' }),
  'says 429 for less than no time': (response) => send(response, 429, { 'retry-after': '-5' }),
  'says 500': (response) => send(response, 500),
  'says 502': (response) => send(response, 502),
  'says 503': (response) => send(response, 503),
  'says 204': (response) => send(response, 204),
  'says 200 and nothing': (response) => send(response, 200),
  'says 200 and a page': (response) => send(response, 200, { 'content-type': 'text/html' }, page.toString()),
  'says 304': (response) => send(response, 304),
  'redirects in a circle': (response) =>
    send(response, 302, { location: `/v2/team/app/manifests/latest?${Math.random()}` }),
  'names a digest that it does not have': (response) =>
    send(response, 200, {
      'content-type': OCI_MANIFEST,
      'docker-content-digest': `sha256:${'c'.repeat(64)}`,
      'content-length': '0',
    }),
  'breaks every connection': (response) => void response.destroy(),
  'never answers': () => undefined,
}

for (const [what, act] of Object.entries(TAKEN)) {
  t.test(`an upstream that ${what} takes nothing away from here`, async (t) => {
    const victim = await setStale(t)
    const { stock, mirror, fake, body, digest } = victim
    stock.twist = (_, response) => {
      act(response)
      return true
    }
    const before = fake.seen.length
    for (let round = 0; round < 3; round += 1) {
      const answer = await ask(mirror.client, 'manifests/latest')
      t.same([answer.status, hashOf(answer.body)], [200, hashOf(body)])
      t.match(answer.text, /"warning":"11[0-2] /)
    }
    await until('the upstream was asked', () => fake.seen.length > before)
    for (const path of [`manifests/${digest}`, `blobs/${hashOf('a layer')}`])
      t.equal((await ask(mirror.client, path)).status, 200)
    t.same(tagsHere(victim), ['latest', 'mine'])
    await checkMine(t, victim)
  })
}

t.test('a Retry-After without end is over within a day', async (t) => {
  const victim = await setStale(t)
  const { stock, mirror, fake, log } = victim
  stock.twist = (_, response) => {
    send(response, 429, { 'retry-after': '1000000000' })
    return true
  }
  await ask(mirror.client, 'manifests/latest')
  await until('the upstream said so', () => log().includes('tag not asked for again'))
  stock.twist = undefined
  mirror.turn(24 * HOUR)
  const before = fake.seen.length
  await until('it is asked again', async () => {
    await ask(mirror.client, 'manifests/latest')
    return fake.seen.length > before
  })
})

t.test('a tag that goes back to an older image moves only when that is whole, and the log tells', async (t) => {
  const victim = await setStale(t)
  const { stock, mirror, log, digest } = victim
  const older = stock.image(['latest'], [stock.blob(Buffer.from('older'))], { annotations: { age: 'older' } })
  await until('the tag moved', async () => hashOf((await ask(mirror.client, 'manifests/latest')).body) === older.digest)
  t.match(log(), /tag moved upstream/)
  t.ok(log().includes(digest) && log().includes(older.digest), 'from and to are named')
  t.equal((await ask(mirror.client, `manifests/${digest}`)).status, 200, 'what it was is here by digest')
})

t.test('a tag that is another image at every look is never torn, and asked for within reason', async (t) => {
  const victim = await setStale(t)
  const { stock, mirror, fake } = victim
  let number = 0
  stock.twist = ({ method, url }) => {
    if (method === 'HEAD' && url.endsWith('/manifests/latest'))
      stock.image(['latest'], [stock.blob(Buffer.from(`layer ${(number += 1)}`))])
    return false
  }
  for (let round = 0; round < 30; round += 1) {
    mirror.turn(HOUR)
    const { status, body } = await ask(mirror.client, 'manifests/latest')
    t.equal(status, 200)
    const { layers } = JSON.parse(body.toString()) as { layers: { digest: string }[] }
    for (const layer of layers) t.equal((await ask(mirror.client, `blobs/${layer.digest}`)).status, 200)
  }
  t.ok(fake.seen.length < 30 * 20, `${fake.seen.length} requests for 30 looks`)
})

const drip = (response: ServerResponse, head: string): void => {
  response.writeHead(200, { 'content-type': OCI_MANIFEST })
  response.write(head)
  const timer = setInterval(() => response.write(' '), 100)
  response.on('close', () => clearInterval(timer))
}

t.test('a manifest that drips for ever is given up, and others are served meanwhile', async (t) => {
  const victim = await startVictim(t)
  const { stock, mirror } = victim
  stock.image(['good'], [])
  stock.twist = ({ url }, response) => {
    if (!url.includes('/manifests/slow')) return false
    drip(response, '{"schemaVersion":2')
    return true
  }
  const slow = ask(mirror.client, 'manifests/slow')
  t.equal((await ask(mirror.client, 'manifests/good')).status, 200)
  t.ok((await slow).status >= 400)
  await checkMine(t, victim)
})

t.test('a blob that drips for ever does not hold up others', async (t) => {
  const victim = await startVictim(t)
  const { stock, mirror } = victim
  const good = stock.blob(Buffer.from('good'))
  const slow = Array.from({ length: 3 }, (_, at) => stock.blob(Buffer.alloc(100_000, `slow${at}`)))
  stock.twist = ({ url, method }, response) => {
    if (method !== 'GET' || !slow.some(({ digest }) => decodeURIComponent(url).endsWith(digest))) return false
    response.writeHead(200, { 'content-length': 100_000 })
    response.write('s')
    return true
  }
  const held = slow.map(({ digest }) => ask(mirror.client, `blobs/${digest}`))
  const { status, body } = await ask(mirror.client, `blobs/${good.digest}`)
  t.same([status, body.toString()], [200, 'good'])
  for (const { clean, status: given } of await Promise.all(held)) t.ok(!clean || given >= 400)
})

t.test('a manifest without end is cut at its limit', async (t) => {
  const victim = await startVictim(t)
  const { stock, mirror } = victim
  let sent = 0
  stock.twist = ({ url }, response) => {
    if (!url.includes('/manifests/endless')) return false
    response.writeHead(200, { 'content-type': OCI_MANIFEST })
    const piece = Buffer.alloc(65_536, ' ')
    const more = (): void => {
      while (!response.destroyed) {
        sent += piece.length
        if (!response.write(piece)) break
      }
    }
    response.on('drain', more)
    more()
    return true
  }
  t.equal((await ask(mirror.client, 'manifests/endless')).status, 503)
  t.ok(sent < 40 * 2 ** 20, `${sent} bytes were taken`)
  await checkMine(t, victim)
})

t.test('a blob that says it is larger than the disk is refused before its first byte is kept', async (t) => {
  const victim = await startVictim(t)
  const { stock, mirror } = victim
  const digest = `sha256:${'d'.repeat(64)}`
  stock.twist = ({ url }, response) => {
    if (!decodeURIComponent(url).endsWith(digest)) return false
    response.writeHead(200, { 'content-length': 2 ** 39 })
    response.write('x')
    return true
  }
  const { clean, status } = await ask(mirror.client, `blobs/${digest}`)
  t.ok(!clean || status >= 400, `it was answered ${status}`)
  await checkMine(t, victim)
})

t.test('a header flood is refused', async (t) => {
  const victim = await startVictim(t)
  const { stock, mirror } = victim
  stock.image(['latest'], [])
  stock.twist = (_, response) => {
    for (let at = 0; at < 1000; at += 1) response.setHeader(`x-flood-${at}`, 'y'.repeat(100))
    return false
  }
  t.ok((await ask(mirror.client, 'manifests/latest')).status >= 400)
  await checkMine(t, victim)
})

t.test('headers of the upstream are not handed on to clients', async (t) => {
  const victim = await startVictim(t)
  const { stock, mirror } = victim
  const layer = stock.blob(Buffer.from('layer'))
  stock.image(['latest'], [layer])
  stock.twist = (_, response) => {
    response.setHeader('set-cookie', 'evil=1')
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('location', 'https://evil.test/')
    response.setHeader('www-authenticate', 'Basic realm="evil"')
    return false
  }
  for (const path of ['manifests/latest', `blobs/${layer.digest}`, 'tags/list', `manifests/${'x'.repeat(9)}`]) {
    const { text } = await ask(mirror.client, path)
    t.notMatch(text, /evil|access-control/i, path)
  }
})

t.test('a push of a tag while the upstream’s image of that name is on its way stays', async (t) => {
  const victim = await startVictim(t)
  const { stock, mirror, mine, fake } = victim
  const layer = stock.blob(Buffer.alloc(200_000, 'layer'))
  stock.image(['race'], [layer])
  const held = Promise.withResolvers<void>()
  stock.twist = ({ url, method }, response) => {
    if (method !== 'GET' || !decodeURIComponent(url).endsWith(layer.digest)) return false
    void held.promise.then(() => response.writeHead(200).end(Buffer.alloc(200_000, 'layer')))
    return true
  }
  await ask(mirror.client, 'manifests/race')
  await until('its layer is asked for', () =>
    fake.seen.some(({ url }) => decodeURIComponent(url).endsWith(layer.digest)),
  )
  const put = await mirror.client.send('PUT', `/v2/${HERE}/manifests/race`, {
    headers: { 'content-type': OCI_MANIFEST },
    body: mine.body,
  })
  t.equal(put.status, 201)
  held.resolve()
  await until('the image came', async () => (await ask(mirror.client, `blobs/${layer.digest}`)).status === 200)
  const deadline = performance.now() + 500
  while (performance.now() < deadline) t.same((await ask(mirror.client, 'manifests/race')).body, mine.body)
})
