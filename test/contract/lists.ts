// Lists: exact byte order, whole without `n`, cut by `n` and `last`, carried on by Link, `[]` and never null.
import type { Test } from 'tap'
import t from 'tap'
import type { Answer, Client } from '../helpers/client.ts'
import { codeOf, headerOf, openClient } from '../helpers/client.ts'
import { hashOf } from '../helpers/digest.ts'
import { pushImage } from '../helpers/push.ts'
import { startTarn } from '../helpers/server.ts'

// In this order; "-" (0x2d) sorts before "/" (0x2f), and "/" before digits and letters.
const REPOSITORIES = ['a', 'a--b', 'a.b', 'a/b', 'a/b/c', 'a0', 'p', 'p-q', 'p/0x', 'p/b', 'p0', 'p__q', 'z/z/z']
const TAGS = [
  '0',
  '1.0',
  '1.10',
  '1.9',
  'A',
  'B',
  'V1',
  '_',
  'a',
  'a-',
  'a.b',
  'a_b',
  'aa',
  'latest',
  'v1',
  `x${'y'.repeat(127)}`,
]

async function serve(t: Test, maxentries?: number): Promise<Client> {
  const { url } = await startTarn(t, {
    storage: { delete: { enabled: true } },
    ...(maxentries === undefined ? {} : { catalog: { maxentries } }),
  })
  const client = openClient({ url })
  t.teardown(() => client.close())
  return client
}

async function fill(client: Client): Promise<void> {
  for (const repo of REPOSITORIES.toReversed()) await pushImage(client, repo, repo, { reference: 'latest' })
}

const listOf = (answer: Answer): string[] => {
  const body = JSON.parse(answer.body.toString()) as { repositories?: string[]; tags?: string[] }
  return body.repositories ?? body.tags ?? []
}

const nextOf = (answer: Answer): string | undefined => /^<([^>]*)>; rel="next"$/.exec(headerOf(answer, 'link'))?.[1]

async function readPages(client: Client, first: string): Promise<{ items: string[]; pages: number }> {
  const items: string[] = []
  let pages = 0
  for (let next: string | undefined = first; next !== undefined && pages < 100; pages++) {
    const answer: Answer = await client.send('GET', next)
    items.push(...listOf(answer))
    next = nextOf(answer)
  }
  return { items, pages }
}

t.test('an empty registry lists [] and not null', async (t) => {
  const client = await serve(t)
  const answer = await client.send('GET', '/v2/_catalog')
  t.equal(answer.status, 200)
  t.equal(headerOf(answer, 'content-type'), 'application/json')
  t.equal(answer.body.toString(), '{"repositories":[]}\n')
})

t.test('the catalog', async (t) => {
  const client = await serve(t)
  await fill(client)

  t.test('is in byte order, nested names among the others', async (t) => {
    const answer = await client.send('GET', '/v2/_catalog')
    t.same(listOf(answer), REPOSITORIES)
    t.equal(headerOf(answer, 'link'), '')
  })
  for (let n = 1; n <= REPOSITORIES.length + 1; n++) {
    t.test(`comes whole in pages of ${n}`, async (t) => {
      const { items, pages } = await readPages(client, `/v2/_catalog?n=${n}`)
      t.same(items, REPOSITORIES)
      t.equal(pages, Math.ceil(REPOSITORIES.length / n))
    })
  }
  for (const last of [...REPOSITORIES, '', '0', 'a/', 'p-', 'p/', 'p/a', 'zz', '~']) {
    t.test(`begins after last=${JSON.stringify(last)}`, async (t) => {
      const answer = await client.send('GET', `/v2/_catalog?last=${encodeURIComponent(last)}`)
      t.same(
        listOf(answer),
        REPOSITORIES.filter((name) => name > last),
      )
    })
  }
  t.test('names the next page by path and query, sorted, and nothing else', async (t) => {
    const answer = await client.send('GET', '/v2/_catalog?n=8&x=y&ns=docker.io')
    t.equal(headerOf(answer, 'link'), '</v2/_catalog?last=p-q&n=8>; rel="next"')
    const slash = await client.send('GET', '/v2/_catalog?n=4')
    t.match(headerOf(slash, 'link'), /^<\/v2\/_catalog\?last=a(%2F|\/)b&n=4>; rel="next"$/i)
  })
  t.test('is empty without Link for n=0', async (t) => {
    const answer = await client.send('GET', '/v2/_catalog?n=0')
    t.equal(answer.status, 200)
    t.same(listOf(answer), [])
    t.equal(headerOf(answer, 'link'), '')
  })
})

t.test('the catalog without n is cut at catalog.maxentries, with Link', async (t) => {
  const client = await serve(t, 5)
  await fill(client)
  const answer = await client.send('GET', '/v2/_catalog')
  t.same(listOf(answer), REPOSITORIES.slice(0, 5))
  t.same((await readPages(client, '/v2/_catalog')).items, REPOSITORIES)
  for (const n of ['6', '1000', '1001', '4294967296', '9007199254740993', '9'.repeat(40)]) {
    const clamped = await client.send('GET', `/v2/_catalog?n=${n}`)
    t.equal(clamped.status, 200, `n=${n}`)
    t.same(listOf(clamped), REPOSITORIES.slice(0, 5), `n=${n} is clamped`)
    t.same((await readPages(client, `/v2/_catalog?n=${n}`)).items, REPOSITORIES, `n=${n} pages on`)
  }
})

t.test('tags', async (t) => {
  const client = await serve(t)
  const repo = 'team/tags'
  const path = `/v2/${repo}/tags/list`
  for (const reference of TAGS.toReversed()) await pushImage(client, repo, 'one', { reference })

  t.test('come whole and in byte order without n', async (t) => {
    const answer = await client.send('GET', path)
    t.equal(answer.status, 200)
    t.equal(headerOf(answer, 'content-type'), 'application/json')
    t.same(JSON.parse(answer.body.toString()), { name: repo, tags: TAGS })
    t.equal(headerOf(answer, 'link'), '')
  })
  for (let n = 1; n <= TAGS.length + 1; n++) {
    t.test(`come whole in pages of ${n}`, async (t) => {
      const { items, pages } = await readPages(client, `${path}?n=${n}`)
      t.same(items, TAGS)
      t.equal(pages, Math.ceil(TAGS.length / n))
    })
  }
  for (const last of [...TAGS, '', '00', 'Z', 'zz', '~', '!']) {
    t.test(`begin after last=${last.slice(0, 10)}`, async (t) => {
      const answer = await client.send('GET', `${path}?last=${encodeURIComponent(last)}`)
      t.equal(answer.status, 200)
      t.same(
        listOf(answer),
        TAGS.filter((tag) => tag > last),
      )
    })
  }
  t.test('name the next page by path and query', async (t) => {
    const answer = await client.send('GET', `${path}?n=2`)
    t.equal(headerOf(answer, 'link'), `</v2/${repo}/tags/list?last=1.0&n=2>; rel="next"`)
  })
  for (const n of ['-1', 'x', '1x', '0x1', '1.5', 'NaN', '']) {
    for (const list of [path, '/v2/_catalog']) {
      t.test(`n=${n} of ${list} is 400 PAGINATION_NUMBER_INVALID`, async (t) => {
        const answer = await client.send('GET', `${list}?n=${n}`)
        t.equal(answer.status, 400)
        t.equal(codeOf(answer), 'PAGINATION_NUMBER_INVALID')
      })
    }
  }
  t.test('are [] when all are deleted', async (t) => {
    for (const tag of TAGS) t.equal((await client.send('DELETE', `/v2/${repo}/manifests/${tag}`)).status, 202)
    const answer = await client.send('GET', path)
    t.equal(answer.status, 200)
    t.same(JSON.parse(answer.body.toString()), { name: repo, tags: [] })
  })
})

t.test('1,200 tags of one repository come in one list, for readers that follow no Link', async (t) => {
  const client = await serve(t)
  const { body, mediaType } = await pushImage(client, 'big/mirror', 'many')
  const wanted = Array.from({ length: 1200 }, (_, at) => `4.${at >> 4}.${at & 15}-x86_64`)
  for (let at = 0; at < wanted.length; at += 20) {
    const path = `/v2/big/mirror/manifests/${hashOf(body)}?${wanted
      .slice(at, at + 20)
      .map((tag) => `tag=${tag}`)
      .join('&')}`
    const answer = await client.send('PUT', path, { headers: { 'content-type': mediaType }, body })
    t.equal(answer.status, 201)
  }
  const answer = await client.send('GET', '/v2/big/mirror/tags/list')
  t.same(listOf(answer), wanted.toSorted())
  t.same((await readPages(client, '/v2/big/mirror/tags/list?n=1000')).items, wanted.toSorted())
})
