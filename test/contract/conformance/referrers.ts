// The referrers API (C-04, C-19): always an index with the exact type, every field of every referrer,
// filtered by artifactType when asked.
import { randomBytes } from 'node:crypto'
import { hashOf } from '../../helpers/digest.ts'
import type { Answer } from '../../helpers/client.ts'
import { addQuery } from '../../helpers/client.ts'
import type { Context, Judge } from './check.ts'
import { check } from './check.ts'
import type { Content, Descriptor } from './content.ts'
import { OCI_INDEX } from './content.ts'

function readReferrers(judge: Judge, answer: Answer): Descriptor[] {
  judge.status(answer, 200)
  judge.header(answer, 'content-type', OCI_INDEX)
  const index = JSON.parse(answer.body.toString()) as {
    schemaVersion?: number
    mediaType?: string
    manifests?: unknown
  }
  judge.that(index.schemaVersion === 2, `schemaVersion is ${index.schemaVersion}`)
  judge.that(index.mediaType === OCI_INDEX, `mediaType is ${index.mediaType}`)
  judge.that(Array.isArray(index.manifests), 'manifests is no list')
  return Array.isArray(index.manifests) ? (index.manifests as Descriptor[]) : []
}

// Members in one order, annotations too, so that equal descriptors give equal text.
function describe({ mediaType, digest, size, artifactType, annotations }: Descriptor): string {
  const notes = Object.entries(annotations ?? {}).toSorted(([one], [other]) => (one < other ? -1 : 1))
  return JSON.stringify([digest, mediaType, size, artifactType, notes])
}

function judgeListed(judge: Judge, listed: readonly Descriptor[], wanted: readonly Descriptor[]): void {
  const [have, want] = [listed.map(describe).toSorted(), wanted.map(describe).toSorted()]
  judge.that(have.join('\n') === want.join('\n'), `listed ${have.join(' ')}, wanted ${want.join(' ')}`)
}

/** Checks what is listed for every subject of `content`, whole and by each type. */
export async function checkReferrers({ t, client, repo1 }: Context, content: Content): Promise<void> {
  const { name } = content
  for (const [subject, wanted] of content.referrers) {
    const path = `/v2/${repo1}/referrers/${subject}`
    await check(t, `C-19 ${name}: every referrer is listed with all its fields`, async (judge) => {
      const answer = await client.send('GET', path)
      judgeListed(judge, readReferrers(judge, answer), wanted)
      judge.header(answer, 'oci-filters-applied', '')
    })
    const types = new Set([...wanted.map(({ artifactType }) => artifactType ?? ''), 'application/vnd.nobody.has+this'])
    for (const artifactType of types) {
      if (artifactType === '') continue
      await check(t, `C-19 ${name}: artifactType=${artifactType} lists those and no others`, async (judge) => {
        const answer = await client.send('GET', addQuery(path, { artifactType }))
        judge.header(answer, 'oci-filters-applied', 'artifactType')
        judgeListed(
          judge,
          readReferrers(judge, answer),
          wanted.filter((one) => one.artifactType === artifactType),
        )
      })
    }
  }
  for (const { digest } of content.manifests) {
    if (content.referrers.has(digest)) continue
    await check(t, `C-19 ${name}: nothing refers to ${digest.slice(0, 15)}`, async (judge) => {
      judgeListed(judge, readReferrers(judge, await client.send('GET', `/v2/${repo1}/referrers/${digest}`)), [])
    })
  }
}

/** Checks that a subject nobody knows, in a repository nobody knows, has an empty list. */
export async function checkNoReferrers({ t, client, repo1 }: Context): Promise<void> {
  for (const repo of [repo1, `${repo1}-never-pushed`]) {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      await check(t, `C-04 the referrers of an unknown ${algorithm} in ${repo} are an empty index`, async (judge) => {
        const digest = hashOf(randomBytes(32), algorithm)
        judgeListed(judge, readReferrers(judge, await client.send('GET', `/v2/${repo}/referrers/${digest}`)), [])
      })
    }
  }
  await check(t, 'R-1 the referrers of what is no digest are 400 DIGEST_INVALID', async (judge) => {
    const answer = await client.send('GET', `/v2/${repo1}/referrers/sha256:short`)
    judge.status(answer, 400)
    judge.code(answer, 'DIGEST_INVALID')
  })
}
