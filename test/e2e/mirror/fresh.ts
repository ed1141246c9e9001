// How old an answer may be, and who wins: a hit asks nobody, what is no longer fresh is served at once and asked for
// behind, nothing that an upstream says takes away what is here, and what was pushed stays as it was pushed.
import type { Client } from '../../helpers/client.ts'
import { headerOf, openClient } from '../../helpers/client.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Tarn } from '../helpers/tarn.ts'
import { ACCEPT } from './fetch.ts'
import type { Image } from './images.ts'
import { makeImage, makeLayer, pushImage } from './images.ts'
import { pullWhole } from './pull.ts'
import type { Canned } from './relay.ts'
import type { Upstream } from './scene.ts'
import { HOST, mirrorOf, must, startUpstream, waitForTag, waitUntil } from './scene.ts'

const NAME = 'team/fresh'
const REPOSITORY = `${HOST}/${NAME}`
/** Tags named short* are good for a second. */
const FRESH = {
  fresh: [
    { tags: 'short.*', for: '1s' },
    { tags: '.*', for: '1h' },
  ],
}

const FAILURES: Readonly<Record<string, Canned | undefined>> = {
  dead: undefined,
  'answering 401': { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } },
  'answering 403': { status: 403 },
  'answering 404': { status: 404, body: '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}' },
  'answering 429': { status: 429, headers: { 'retry-after': '600' } },
  'answering 500': { status: 500 },
  'answering 503': { status: 503, headers: { 'retry-after': '600' } },
  'answering a page': {
    status: 200,
    headers: { 'content-type': 'text/html' },
    body: '<html>log in to the airport</html>',
  },
}

export async function checkFresh(context: E2EContext, recorder: Recorder): Promise<void> {
  const upstream = await startUpstream(context.machine)
  const { relay } = upstream
  const start = (): Promise<Tarn> => context.startTarn({ config: mirrorOf(relay.url, FRESH) })
  const tarn = await start()
  const client = openClient({ url: tarn.url })
  context.machine.onEnd(async () => client.close())
  const push = async (tag: string): Promise<Image> => {
    const image = makeImage([makeLayer(tag, 20_000)])
    await pushImage(upstream.client, NAME, image, tag)
    return image
  }

  await recorder.check('a hit makes no request upstream, by tag, digest, HEAD, list of children or blob', async () => {
    const image = await push('long')
    await pullWhole(tarn.url, REPOSITORY, 'long', image)
    await waitForTag(tarn, REPOSITORY, 'long')
    await waitUntil('referrers were asked for', () => relay.requestsFor('/referrers/').length > 0)
    await waitUntil('nothing is under way', async () => await isQuiet(upstream))
    relay.clear()
    for (let round = 0; round < 20; round += 1) {
      await pullWhole(tarn.url, REPOSITORY, 'long', image)
      await pullWhole(tarn.url, REPOSITORY, image.manifest.digest, image)
      const head = await client.send('HEAD', `/v2/${REPOSITORY}/manifests/long`, { headers: { accept: ACCEPT } })
      must(head.status === 200, `HEAD was answered ${head.status}`)
    }
    must(relay.passed.length === 0, `upstream was asked: ${relay.passed.map(({ path }) => path).join(', ')}`)
  })
  await recorder.check('a tag that is no longer fresh is served at once and asked for by one HEAD behind', async () => {
    const image = await push('short-same')
    await pullWhole(tarn.url, REPOSITORY, 'short-same', image)
    await waitForTag(tarn, REPOSITORY, 'short-same')
    const stale = await waitUntilStale(client, 'short-same')
    must(headerOf(stale, 'warning').startsWith('110 '), `no Warning 110: ${headerOf(stale, 'warning')}`)
    must(Number(headerOf(stale, 'age')) >= 1, `Age is ${headerOf(stale, 'age')}`)
    const asked = (): readonly string[] => relay.requestsFor('/manifests/short-same').map(({ method }) => method)
    relay.clear()
    await waitUntil('it was asked for', async () => {
      await getTag(client, 'short-same')
      return asked().length > 0
    })
    must(
      asked().every((method) => method === 'HEAD'),
      `upstream was asked by ${asked().join(', ')}`,
    )
  })
  await recorder.check(
    'a tag that moved upstream: the old image until the new one is whole, then the new one',
    async () => {
      const before = await push('short-moving')
      await pullWhole(tarn.url, REPOSITORY, 'short-moving', before)
      await waitForTag(tarn, REPOSITORY, 'short-moving')
      const after = await push('short-moving')
      const layer = after.layers[0]?.digest ?? ''
      relay.shape(20_000)
      const seen = new Set<string>()
      await waitUntil('the tag moved', async () => {
        const { status, body } = await getTag(client, 'short-moving')
        must(status === 200, `the tag was answered ${status}`)
        const now = body.equals(before.manifest.bytes)
          ? 'before'
          : body.equals(after.manifest.bytes)
            ? 'after'
            : 'wrong'
        seen.add(now)
        if (now === 'after')
          must(relay.bytesOf(layer) >= (after.layers[0]?.bytes.length ?? 0), 'the tag moved too soon')
        return now === 'after'
      })
      relay.shape(undefined)
      must(seen.has('before') && !seen.has('wrong'), `seen: ${[...seen].join(', ')}`)
      await relay.down()
      await pullWhole(tarn.url, REPOSITORY, 'short-moving', after)
      await relay.up()
    },
  )

  for (const [what, canned] of Object.entries(FAILURES)) {
    await recorder.check(`an upstream ${what} takes nothing away: the tag is served with Warning and Age`, () =>
      checkFailure(context, upstream, start, { what, canned }),
    )
  }

  await recorder.check('tags of upstream and of pushes are one list, paged, and the local ones when offline', () =>
    checkLists(context, upstream),
  )
  await recorder.check('what was pushed under an upstream’s prefix is never overwritten nor asked for', () =>
    checkPushed(context, upstream),
  )
}

async function checkFailure(
  { machine }: E2EContext,
  upstream: Upstream,
  start: () => Promise<Tarn>,
  { what, canned }: { readonly what: string; readonly canned: Canned | undefined },
): Promise<void> {
  const { relay } = upstream
  const tag = `short-${what.replace(/\W/g, '-')}`
  const tarn = await start()
  const client = openClient({ url: tarn.url })
  machine.onEnd(async () => client.close())
  const image = makeImage([makeLayer('layer', 20_000)])
  await pushImage(upstream.client, NAME, image, tag)
  await pullWhole(tarn.url, REPOSITORY, tag, image)
  await waitForTag(tarn, REPOSITORY, tag)
  await waitUntil('nothing is under way', () => isQuiet(upstream))
  relay.clear()
  if (canned === undefined) await relay.down()
  else relay.answer(canned)
  try {
    await waitUntilStale(client, tag)
    // The first answer after it was asked for, and those after that.
    if (canned !== undefined)
      await waitUntil('upstream was asked', async () => (await getTag(client, tag), relay.passed.length > 0))
    for (let round = 0; round < 10; round += 1) {
      const began = performance.now()
      const answer = await getTag(client, tag)
      const took = performance.now() - began
      must(answer.status === 200 && answer.body.equals(image.manifest.bytes), `it was answered ${answer.status}`)
      must(/^11[0-2] /.test(headerOf(answer, 'warning')), `no Warning: ${headerOf(answer, 'warning')}`)
      must(Number(headerOf(answer, 'age')) >= 1, `Age is ${headerOf(answer, 'age')}`)
      must(took < 1000, `the answer took ${took.toFixed(0)} ms`)
    }
    await pullWhole(tarn.url, REPOSITORY, tag, image)
    await pullWhole(tarn.url, REPOSITORY, image.manifest.digest, image)
    must(relay.passed.length < 10, `${relay.passed.length} requests upstream for one tag`)
  } finally {
    if (canned === undefined) await relay.up()
    else relay.answer(undefined)
    client.close()
    await tarn.stop()
  }
}

async function checkLists(context: E2EContext, { relay, client: pusher }: Upstream): Promise<void> {
  const tarn = await context.startTarn({ config: mirrorOf(relay.url, FRESH) })
  const client = openClient({ url: tarn.url })
  const image = makeImage([makeLayer('list', 1000)])
  for (const tag of ['a', 'c', 'e', 'g']) await pushImage(pusher, 'team/list', image, tag)
  await pushImage(client, `${HOST}/team/list`, image, 'b')
  await pushImage(client, `${HOST}/team/list`, image, 'f')
  const list = async (query = ''): Promise<{ tags: readonly string[]; link: string }> => {
    const answer = await client.send('GET', `/v2/${HOST}/team/list/tags/list${query}`)
    must(answer.status === 200, `the list was answered ${answer.status}`)
    const { tags } = JSON.parse(answer.body.toString()) as { tags: string[] }
    return { tags, link: headerOf(answer, 'link') }
  }
  try {
    must((await list()).tags.join() === 'a,b,c,e,f,g', `the list is ${(await list()).tags.join()}`)
    const pages: string[] = []
    let query = '?n=2'
    for (let page = 0; page < 10 && query !== ''; page += 1) {
      const { tags, link } = await list(query)
      pages.push(tags.join(''))
      query = /<[^?]*(\?[^>]*)>/.exec(link)?.[1] ?? ''
    }
    must(pages.join(' ').trim() === 'ab ce fg', `the pages are ${pages.join(' ')}`)
    await pullWhole(tarn.url, `${HOST}/team/list`, 'c', image)
    await waitForTag(tarn, `${HOST}/team/list`, 'c')
    await relay.down()
    await tarn.stop()
    const config = { mirror: { ...(mirrorOf(relay.url)['mirror'] as object), offline: true } }
    const offline = await context.startTarn({ home: tarn.home, config })
    const answer = openClient({ url: offline.url })
    const { body } = await answer.send('GET', `/v2/${HOST}/team/list/tags/list`)
    answer.close()
    must((JSON.parse(body.toString()) as { tags: string[] }).tags.join() === 'b,c,f', `offline: ${body.toString()}`)
    await relay.up()
  } finally {
    client.close()
  }
}

async function checkPushed(context: E2EContext, { relay, client: pusher }: Upstream): Promise<void> {
  const tarn = await context.startTarn({ config: mirrorOf(relay.url, FRESH) })
  const client = openClient({ url: tarn.url })
  const [ours, theirs, later] = ['ours', 'theirs', 'later'].map((name) => makeImage([makeLayer(name, 10_000)])) as [
    Image,
    Image,
    Image,
  ]
  const repository = `${HOST}/team/pushed`
  try {
    await pushImage(pusher, 'team/pushed', theirs, 'short-own')
    await pushImage(client, repository, ours, 'short-own')
    // A tag that was mirrored first and pushed over then.
    await pushImage(pusher, 'team/pushed', theirs, 'short-over')
    await pullWhole(tarn.url, repository, 'short-over', theirs)
    await waitForTag(tarn, repository, 'short-over')
    await pushImage(client, repository, ours, 'short-over')
    for (const tag of ['short-own', 'short-over']) await pushImage(pusher, 'team/pushed', later, tag)
    await waitUntil('nothing is under way', async () => await isQuiet({ relay }))
    relay.clear()
    const until = performance.now() + 3000
    while (performance.now() < until) {
      for (const tag of ['short-own', 'short-over']) {
        await pullWhole(tarn.url, repository, tag, ours)
        const { headers } = await client.send('HEAD', `/v2/${repository}/manifests/${tag}`, {
          headers: { accept: ACCEPT },
        })
        must(headers['warning'] === undefined, `${tag} is called stale: ${String(headers['warning'])}`)
      }
    }
    const asked = relay.requestsFor('/manifests/short-')
    must(asked.length === 0, `upstream was asked for a pushed tag: ${asked.map(({ path }) => path).join(', ')}`)
  } finally {
    client.close()
    await tarn.stop()
  }
}

function getTag(client: Client, tag: string): ReturnType<Client['send']> {
  return client.send('GET', `/v2/${REPOSITORY}/manifests/${tag}`, { headers: { accept: ACCEPT } })
}

/** The first answer that says of itself that it is no longer fresh. */
async function waitUntilStale(client: Client, tag: string): ReturnType<Client['send']> {
  let answer = await getTag(client, tag)
  await waitUntil(`${tag} is stale`, async () => {
    answer = await getTag(client, tag)
    return headerOf(answer, 'warning') !== ''
  })
  return answer
}

/** Whether no request came upstream for a while. */
async function isQuiet({ relay }: Pick<Upstream, 'relay'>): Promise<boolean> {
  const before = relay.passed.length
  await new Promise((resolve) => setTimeout(resolve, 300))
  return relay.passed.length === before
}
