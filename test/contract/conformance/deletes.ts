// Deleting a variant's tags, manifests and blobs (C-20): accepted once, gone at once, and what another
// repository holds stays.
import type { Context } from './check.ts'
import { check } from './check.ts'
import type { Content } from './content.ts'

/** Deletes tags first, then manifests from the last pushed to the first, then blobs. */
export async function checkDeletes({ t, client, repo1 }: Context, content: Content): Promise<void> {
  const { name } = content
  const remove = async (what: string, path: string, stays?: string): Promise<void> => {
    await check(t, `C-20 ${name}: DELETE of ${what} is 202`, async (judge) => {
      judge.status(await client.send('DELETE', path), 202)
      if (stays !== undefined) judge.status(await client.send('HEAD', stays), 200)
    })
    await check(t, `C-20 ${name}: ${what} is gone at once`, async (judge) => {
      judge.status(await client.send('HEAD', path), 404)
      judge.status(await client.send('GET', path), 404)
    })
  }
  for (const [tag, digest] of content.tags) {
    await remove(`tag ${tag}`, `/v2/${repo1}/manifests/${tag}`, `/v2/${repo1}/manifests/${digest}`)
  }
  for (const { digest } of content.manifests.toReversed()) {
    await remove(`manifest ${digest.slice(0, 15)}`, `/v2/${repo1}/manifests/${digest}`)
  }
  for (const digest of content.blobs.keys()) {
    await remove(`blob ${digest.slice(0, 15)}`, `/v2/${repo1}/blobs/${digest}`)
  }
  if (content.referrers.size === 0) return
  await check(t, `C-20 ${name}: deleted referrers are listed no more`, async (judge) => {
    for (const subject of content.referrers.keys()) {
      const answer = await client.send('GET', `/v2/${repo1}/referrers/${subject}`)
      judge.status(answer, 200)
      const { manifests } = JSON.parse(answer.body.toString()) as { manifests: unknown[] }
      judge.that(manifests.length === 0, `${manifests.length} are still listed`)
    }
  })
}
