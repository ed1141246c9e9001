// Tag lists (C-04, C-18): what is pushed is listed, in byte order, and `last` and `n` cut it exactly.
import type { Answer } from '../../helpers/client.ts'
import { addQuery, headerOf } from '../../helpers/client.ts'
import type { Context, Judge } from './check.ts'
import { check } from './check.ts'
import type { Content } from './content.ts'

/** Reads the tags of an answer; notes what is wrong with its shape. */
function readTags(judge: Judge, answer: Answer, repo: string): string[] {
  judge.status(answer, 200)
  judge.header(answer, 'content-type', 'application/json')
  const list = JSON.parse(answer.body.toString()) as { name?: unknown; tags?: unknown }
  judge.that(list.name === repo, `name is ${JSON.stringify(list.name)}`)
  judge.that(Array.isArray(list.tags), `tags is ${JSON.stringify(list.tags)}`)
  return Array.isArray(list.tags) ? (list.tags as string[]) : []
}

function isSorted(tags: readonly string[]): boolean {
  return tags.every((tag, at) => at === 0 || Buffer.compare(Buffer.from(tags[at - 1] ?? ''), Buffer.from(tag)) < 0)
}

/** Checks the list of a repository that holds the tags of `content`. */
export async function checkTags({ t, client, repo1 }: Context, content: Content): Promise<void> {
  const { name } = content
  const path = `/v2/${repo1}/tags/list`
  await check(t, `C-18 ${name}: every pushed tag is listed, in byte order`, async (judge) => {
    const tags = readTags(judge, await client.send('GET', path), repo1)
    for (const tag of content.tags.keys()) judge.that(tags.includes(tag), `${tag} is not listed`)
    judge.that(isSorted(tags), `not in byte order: ${tags.join(' ')}`)
  })
  await check(t, `C-18 ${name}: last leaves out what is not after it`, async (judge) => {
    const all = readTags(judge, await client.send('GET', path), repo1)
    for (const last of all) {
      const rest = readTags(judge, await client.send('GET', addQuery(path, { last })), repo1)
      judge.that(rest.join() === all.slice(all.indexOf(last) + 1).join(), `after ${last}: ${rest.join(' ')}`)
    }
  })
  await check(t, `C-18 ${name}: n=1 with Link leads through the whole list`, async (judge) => {
    const all = readTags(judge, await client.send('GET', path), repo1)
    const seen: string[] = []
    let next: string | undefined = `${path}?n=1`
    while (next !== undefined && seen.length <= all.length) {
      const answer: Answer = await client.send('GET', next)
      const page = readTags(judge, answer, repo1)
      judge.that(page.length <= 1, `a page of ${page.length}`)
      seen.push(...page)
      next = /^<([^>]+)>; *rel="next"$/.exec(headerOf(answer, 'link'))?.[1]
    }
    judge.that(seen.join() === all.join(), `pages give ${seen.join(' ')}, the list ${all.join(' ')}`)
  })
  await check(t, `C-18 ${name}: n=0 is an empty list without Link`, async (judge) => {
    const answer = await client.send('GET', `${path}?n=0`)
    judge.that(readTags(judge, answer, repo1).length === 0, 'the list is not empty')
    judge.header(answer, 'link', '')
  })
}

/** Checks a repository into which nothing was pushed. */
export async function checkEmpty({ t, client, repo1 }: Context): Promise<void> {
  await check(t, 'C-01 GET /v2/ is 200', async (judge) => {
    const answer = await client.send('GET', '/v2/')
    judge.status(answer, 200)
    judge.header(answer, 'docker-distribution-api-version', 'registry/2.0')
  })
  await check(t, 'C-04 the tag list of an empty repository is 200 or 404 in JSON', async (judge) => {
    const answer = await client.send('GET', `/v2/${repo1}/tags/list`)
    judge.status(answer, 200, 404)
    judge.header(answer, 'content-type', 'application/json')
    if (answer.status === 404) judge.code(answer, 'NAME_UNKNOWN')
  })
}
