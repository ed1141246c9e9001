// §2C and R1, R2, R3, R20, R23, R26: manifests, indexes and lists that are no such thing, that two readers take differently, or
// that have no end. Nothing of them is kept or handed on, and what was pushed here stays.
import t from 'tap'
import { hashOf } from '../helpers/digest.ts'
import type { Victim } from '../helpers/liar.ts'
import { ask, checkMine, HERE, isStored, startVictim, tagsHere } from '../helpers/liar.ts'
import { CONFIG, descriptor, image, index, layer, ZERO } from '../helpers/manifest-text.ts'
import { until } from '../helpers/mirror.ts'
import { OCI_INDEX, OCI_MANIFEST, pushManifest } from '../helpers/push.ts'
import { sendJson } from '../helpers/upstream.ts'

const depth = (many: number): string =>
  `{"schemaVersion":2,"mediaType":"${OCI_MANIFEST}","x":${'['.repeat(many)}${']'.repeat(many)}}`

/** Documents under the tag `latest`; the second is the Content-Type. */
const DOCUMENTS: Readonly<Record<string, string | readonly [body: string, type: string]>> = {
  'R3: is an image and an index at once': image('"manifests":[]'),
  'R3: is an index with layers': [index('"layers":[]'), OCI_INDEX],
  'R3: calls itself an index and comes as an image': [index(), OCI_MANIFEST],
  'R3: calls itself an image and comes as an index': [image(), OCI_INDEX],
  'has its layers twice': image('"layers":[]'),
  'has its layers a second time in capitals': image('"Layers":[]'),
  'has its config a second time with a long s': image('"config":{}'),
  'has a key twice deep inside': image('', `{"mediaType":"a/b","digest":"${hashOf('x')}","size":1,"size":2}`),
  'is deeper than any reader goes': depth(100_000),
  'is a little too deep': depth(40),
  'R2: is larger than 4 MiB': image(`"annotations":{"x":"${'y'.repeat(4_300_000)}"}`),
  'is no JSON': '{"schemaVersion":2,',
  'is a JSON that ends and goes on': `${image()}{}`,
  'is an array': '[]',
  'is null': 'null',
  'is of schema version 3': image().replace('"schemaVersion":2', '"schemaVersion":3'),
  'holds bytes that are no UTF-8': image('"annotations":{"x":"\u00ff"}'),
  'R26: names a blob with a path for a digest': layer(descriptor({ digest: 'sha256:../../../../etc/passwd' })),
  'R26: names a blob with a short digest': layer(descriptor({ digest: 'sha256:abc' })),
  'R26: names a blob with a digest in capitals': layer(descriptor({ digest: `sha256:${'A'.repeat(64)}` })),
  'R26: names a blob with a digest of an unknown kind': layer(descriptor({ digest: `md5:${'a'.repeat(32)}` })),
  'has a layer of negative size': layer(descriptor({ size: -1 })),
  'has a layer of more bytes than can be counted': layer(descriptor({ size: 1e300 })),
  'has a layer whose size is a text': layer(descriptor({ size: '14' })),
  'has a layer of half a byte': layer(descriptor({ size: 0.5 })),
  'has 100,000 layers': image('', ZERO, `[${Array.from({ length: 100_000 }, () => '{}').join()}]`),
}

for (const [what, document] of Object.entries(DOCUMENTS)) {
  t.test(`a manifest that ${what} is refused and not kept`, async (t) => {
    const victim = await startVictim(t)
    const { stock, mirror } = victim
    // As latin1, so that a character is a byte.
    const [body, type] = typeof document === 'string' ? ([document, OCI_MANIFEST] as const) : document
    stock.blob(CONFIG)
    const { digest } = stock.manifest(Buffer.from(body, 'latin1'), ['latest'], type)
    for (const path of ['manifests/latest', `manifests/${digest}`]) {
      const { status, body: given } = await ask(mirror.client, path)
      t.ok(status === 503 || status === 404, `${path} was answered ${status}`)
      t.notOk(given.includes(body.slice(0, 60)), 'and nothing of it was handed on')
    }
    t.notOk(isStored(victim, digest))
    t.same(tagsHere(victim), ['mine'])
    await checkMine(t, victim)
  })
}

t.test('an index that names one child 50,000 times has it fetched once', async (t) => {
  const victim = await startVictim(t, { upstream: { platforms: 'all' } })
  const { stock, mirror, fake } = victim
  const child = stock.image([], [])
  // Within 4 MiB, each time the same child.
  stock.index(
    ['latest'],
    Array.from({ length: 20_000 }, () => child),
  )
  await ask(mirror.client, 'manifests/latest')
  await settle(victim)
  const asked = fake.seen.filter(({ url, method }) => method === 'GET' && url.includes(child.digest)).length
  t.ok(asked <= 1, `${asked} requests for one child`)
  await checkMine(t, victim)
})

t.test('indexes in indexes without end are not followed', async (t) => {
  const victim = await startVictim(t, { upstream: { platforms: 'all' } })
  const { stock, mirror, fake } = victim
  let inner = stock.image([], [])
  for (let level = 0; level < 100; level += 1) inner = stock.index(level === 99 ? ['latest'] : [], [inner])
  await ask(mirror.client, 'manifests/latest')
  await settle(victim)
  const asked = fake.seen.filter(({ url, method }) => method === 'GET' && url.includes('/manifests/')).length
  t.ok(asked < 20, `${asked} levels were followed`)
  await checkMine(t, victim)
})

t.test('a layer whose size is a lie keeps its image from being tagged', async (t) => {
  const victim = await startVictim(t)
  const { stock, mirror, log } = victim
  const one = stock.blob(Buffer.alloc(1000, 'x'))
  stock.image(['latest'], [{ ...one, size: 999 }])
  t.equal((await ask(mirror.client, 'manifests/latest')).status, 200)
  await until('the image is given up', () => log().includes('image given up') || log().includes('not complete yet'))
  t.same(tagsHere(victim), ['mine'])
  t.notOk(isStored(victim, one.digest))
})

t.test('a chain of referrers without end is cut', async (t) => {
  const victim = await startVictim(t)
  const { stock, mirror, fake } = victim
  const layers = [stock.blob(Buffer.from('layer'))]
  let subject = stock.image(['latest'], layers)
  const chain = new Map<string, object>()
  for (let level = 0; level < 50; level += 1) {
    const next = stock.image([], layers, { subject, artifactType: 'a/b', annotations: { level: `${level}` } })
    chain.set(subject.digest, next)
    subject = next
  }
  stock.twist = ({ url }, response) => {
    const of = /referrers\/(sha256(?::|%3A)[0-9a-f]{64})/.exec(url)?.[1]?.replace('%3A', ':')
    const next = of === undefined ? undefined : chain.get(of)
    if (next === undefined) return false
    sendJson(response, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [next] }, { 'content-type': OCI_INDEX })
    return true
  }
  await ask(mirror.client, 'manifests/latest')
  await until('what refers to it is asked for', () => fake.seen.some(({ url }) => url.includes('/referrers/')))
  await settle(victim)
  const followed = fake.seen.filter(({ url }) => url.includes('/referrers/')).length
  t.ok(followed > 0 && followed <= 4, `${followed} lists were asked for`)
})

t.test('10,000 referrers of one image do not all come', async (t) => {
  const victim = await startVictim(t)
  const { stock, mirror, fake } = victim
  stock.image(['latest'], [])
  const manifests = Array.from({ length: 10_000 }, (_, at) => ({
    mediaType: OCI_MANIFEST,
    digest: hashOf(`${at}`),
    size: 100,
  }))
  stock.twist = ({ url }, response) => {
    if (!url.includes('/referrers/')) return false
    sendJson(response, { schemaVersion: 2, mediaType: OCI_INDEX, manifests }, { 'content-type': OCI_INDEX })
    return true
  }
  await ask(mirror.client, 'manifests/latest')
  await settle(victim)
  const asked = fake.seen.filter(({ url }) => url.includes('/manifests/sha256')).length
  t.ok(asked <= 110, `${asked} of them were asked for`)
  await checkMine(t, victim)
})

t.test('a signature tag of the upstream does not take the place of one that was pushed here', async (t) => {
  const victim = await startVictim(t)
  const { stock, mirror } = victim
  const subject = stock.image(['latest'], [])
  const tag = `${subject.digest.replace(':', '-')}.sig`
  const theirs = stock.image([tag], [], { annotations: { whose: 'theirs' } })
  const { body } = victim.mine
  await pushManifest(mirror.client, HERE, OCI_MANIFEST, body, tag)
  await ask(mirror.client, 'manifests/latest')
  await settle(victim)
  t.same((await ask(mirror.client, `manifests/${tag}`)).body, body)
  t.not(hashOf(body), theirs.digest)
})

const LISTS: Readonly<Record<string, unknown>> = {
  'of names that are paths': { tags: ['../../../etc/passwd', '..', '.', 'a/b', '', '%2e%2e', 'a\\b', 'a\nb'] },
  'of things that are no text': { tags: [1, null, {}, ['x'], true] },
  'that is no list': { tags: { length: 3 } },
  'that is null': null,
  'with a prototype in it': { tags: ['ok'], ['__proto__']: { polluted: true } },
  'of tags that are longer than tags are': { tags: ['x'.repeat(129), 'x'.repeat(100_000)] },
}
for (const [what, list] of Object.entries(LISTS)) {
  t.test(`a tag list ${what} is answered with what is here`, async (t) => {
    const { stock, mirror } = await startVictim(t)
    stock.twist = ({ url }, response) => {
      if (!url.includes('/tags/list')) return false
      sendJson(response, list)
      return true
    }
    const { status, body } = await ask(mirror.client, 'tags/list')
    t.equal(status, 200)
    const { tags } = JSON.parse(body.toString()) as { tags: string[] }
    t.same(
      tags.filter((tag) => tag !== 'ok'),
      ['mine'],
    )
    t.notOk('polluted' in {})
  })
}

t.test('R1: a tag list of a million tags neither fills the memory nor a page', async (t) => {
  const { stock, mirror } = await startVictim(t)
  const page = JSON.stringify({ tags: Array.from({ length: 100_000 }, (_, at) => `t${at}`) })
  stock.twist = ({ url }, response) => {
    if (!url.includes('/tags/list')) return false
    response.writeHead(200, {
      'content-type': 'application/json',
      link: `</v2/team/app/tags/list?last=${Math.random()}>; rel="next"`,
    })
    response.end(page)
    return true
  }
  const before = process.memoryUsage().rss
  const { status, body } = await ask(mirror.client, 'tags/list?n=1000000')
  t.equal(status, 200)
  const { tags } = JSON.parse(body.toString()) as { tags: string[] }
  t.ok(tags.length <= 1000, `${tags.length} tags in one page`)
  t.ok(process.memoryUsage().rss - before < 300 * 2 ** 20)
})

/** Waits until nothing has been asked of the upstream for a while. */
async function settle({ fake }: Victim): Promise<void> {
  let count = -1
  await until('the upstream is left alone', async () => {
    if (count === fake.seen.length) return true
    count = fake.seen.length
    await new Promise((resolve) => setTimeout(resolve, 200))
    return false
  })
}
