// Pushing and reading a variant's blobs and manifests by digest and by tag (C-13, C-15, C-16, C-17, C-22),
// and the ways in which a manifest push must fail.
import { randomBytes } from 'node:crypto'
import { hashOf } from '../../helpers/digest.ts'
import { addQuery, headerOf, locationOf } from '../../helpers/client.ts'
import type { Context } from './check.ts'
import { check } from './check.ts'
import type { Content, PushedManifest } from './content.ts'
import { OCI_CONFIG, OCI_MANIFEST, addBlob, addManifest, makeContent } from './content.ts'
import { PUSH_STYLES, judgeCreated } from './uploads.ts'

const ACCEPT = { accept: ['application/vnd.oci.image.index.v1+json', OCI_MANIFEST] }

/** Pushes blobs (each by the next style), then manifests by digest, then tags; one check an item. */
export async function checkPush({ t, client, repo1 }: Context, content: Content, tagParameter: boolean): Promise<void> {
  const { name } = content
  const styles = Object.entries(PUSH_STYLES)
  let turn = name.length
  for (const [digest, bytes] of content.blobs) {
    const [style, push] = styles[turn++ % styles.length] ?? ['', undefined]
    await check(t, `C-06 ${name}: blob ${short(digest)} is pushed by ${style}`, async (judge) => {
      if (push === undefined) throw new Error('no push style')
      await judgeCreated(judge, client, await push(client, repo1, digest, bytes), digest, bytes)
    })
  }
  for (const manifest of content.manifests) {
    const tags = tagParameter ? tagsOf(content, manifest) : []
    await check(
      t,
      `C-15 ${name}: manifest ${short(manifest.digest)} is pushed by digest${tagParameter ? ' with ?tag=' : ''}`,
      async (judge) => {
        const query = tags.map((tag) => `tag=${tag}`).join('&')
        const reference = query === '' ? manifest.digest : `${manifest.digest}?${query}`
        const answer = await putManifest(client, repo1, reference, manifest)
        judgeManifestCreated(judge, answer, manifest)
        const named = headerOf(answer, 'oci-tag').split(/\s*,\s*/)
        for (const tag of tags) judge.that(named.includes(tag), `OCI-Tag does not name ${tag}`)
        judgeSame(judge, await client.send('GET', locationOf(answer), { headers: ACCEPT }), manifest, 'GET')
      },
    )
  }
  if (tagParameter) return
  for (const [tag, digest] of content.tags) {
    await check(t, `C-15 ${name}: tag ${tag} is pushed`, async (judge) => {
      const manifest = findManifest(content, digest)
      const answer = await putManifest(client, repo1, tag, manifest)
      judgeManifestCreated(judge, answer, manifest)
      judgeSame(judge, await client.send('GET', locationOf(answer), { headers: ACCEPT }), manifest, 'GET')
    })
  }
}

/** Reads back everything that was pushed, by HEAD and by GET; what was never pushed must be 404. */
export async function checkPull({ t, client, repo1 }: Context, content: Content): Promise<void> {
  const { name } = content
  for (const method of ['HEAD', 'GET'] as const) {
    for (const [tag, digest] of content.tags) {
      await check(t, `C-15 ${name}: ${method} by tag ${tag}`, async (judge) => {
        const answer = await client.send(method, `/v2/${repo1}/manifests/${tag}`, {
          headers: ACCEPT,
        })
        judgeSame(judge, answer, findManifest(content, digest), method)
      })
    }
    for (const manifest of content.manifests) {
      await check(t, `C-15 ${name}: ${method} of manifest ${short(manifest.digest)}`, async (judge) => {
        const answer = await client.send(method, `/v2/${repo1}/manifests/${manifest.digest}`, {
          headers: ACCEPT,
        })
        judgeSame(judge, answer, manifest, method)
      })
    }
    for (const [digest, bytes] of content.blobs) {
      await check(t, `C-13 ${name}: ${method} of blob ${short(digest)}`, async (judge) => {
        const answer = await client.send(method, `/v2/${repo1}/blobs/${digest}`)
        judge.status(answer, 200)
        judge.header(answer, 'content-length', String(bytes.length))
        judge.header(answer, 'docker-content-digest', digest)
        judge.body(answer, method === 'GET' ? bytes : Buffer.alloc(0))
      })
    }
  }
  for (const digest of content.absent) {
    await check(t, `C-23 ${name}: ${short(digest)}, which was never pushed, is 404`, async (judge) => {
      judge.status(await client.send('GET', `/v2/${repo1}/blobs/${digest}`), 404)
      judge.status(await client.send('GET', `/v2/${repo1}/manifests/${digest}`), 404)
    })
  }
}

type Judging = Parameters<Parameters<typeof check>[2]>[0]
type Answered = Awaited<ReturnType<Context['client']['send']>>

function judgeManifestCreated(judge: Judging, answer: Answered, { digest, subject }: PushedManifest): void {
  judge.status(answer, 201)
  judge.present(answer, 'location')
  judge.header(answer, 'docker-content-digest', digest)
  judge.header(answer, 'oci-subject', subject ?? '')
}

function judgeSame(judge: Judging, answer: Answered, manifest: PushedManifest, method: 'GET' | 'HEAD'): void {
  judge.status(answer, 200)
  judge.header(answer, 'content-type', manifest.mediaType)
  judge.header(answer, 'content-length', String(manifest.body.length))
  judge.header(answer, 'docker-content-digest', manifest.digest)
  judge.body(answer, method === 'GET' ? manifest.body : Buffer.alloc(0))
}

function putManifest(client: Context['client'], repo: string, reference: string, manifest: PushedManifest) {
  return client.send('PUT', `/v2/${repo}/manifests/${reference}`, {
    headers: { 'content-type': manifest.mediaType },
    body: manifest.body,
  })
}

function tagsOf(content: Content, manifest: PushedManifest): string[] {
  return [...content.tags].filter(([, digest]) => digest === manifest.digest).map(([tag]) => tag)
}

function findManifest(content: Content, digest: string): PushedManifest {
  const found = content.manifests.find((manifest) => manifest.digest === digest)
  if (found === undefined) throw new Error(`no manifest ${digest} in ${content.name}`)
  return found
}

function short(digest: string): string {
  return digest.slice(0, digest.indexOf(':') + 9)
}

/** Checks what must be refused: a body that is not its digest, digests that are none, manifests not there. */
export async function checkManifestErrors({ t, client, repo1 }: Context): Promise<void> {
  const content = makeContent('bad-digest-image')
  const config = addBlob(content, Buffer.from(`{"os":"linux","n":"${randomBytes(8).toString('hex')}"}`), OCI_CONFIG)
  addManifest(content, config, [])
  await PUSH_STYLES['one POST']?.(client, repo1, config.digest, content.blobs.get(config.digest) ?? Buffer.alloc(0))
  const [manifest] = content.manifests
  if (manifest === undefined) throw new Error('no manifest was made')
  const altered = { ...manifest, body: Buffer.concat([manifest.body, Buffer.from('  ')]) }
  const sha512 = hashOf(manifest.body, 'sha512')
  const wrong = [
    ['bad-digest-image: a body that is not its sha256', manifest.digest, altered],
    ['bad-digest-image: a body that is not its sha512', sha512, altered],
    ['invalid-digest-format: sha256:baddigeststring', 'sha256:baddigeststring', manifest],
    ['invalid-digest-format: an algorithm nobody knows', `sha999:${'0'.repeat(64)}`, manifest],
    [
      'invalid-digest-format: upper-case digits',
      manifest.digest.replace(/[0-9a-f]{64}/, (hex) => hex.toUpperCase()),
      manifest,
    ],
  ] as const
  for (const [name, reference, pushed] of wrong) {
    await check(t, `C-15 ${name} is refused with 400 DIGEST_INVALID`, async (judge) => {
      const answer = await putManifest(client, repo1, reference, pushed)
      judge.status(answer, 400)
      judge.code(answer, 'DIGEST_INVALID')
      const back = await client.send('GET', `/v2/${repo1}/manifests/${reference}`)
      judge.status(back, 400, 404)
    })
  }
  for (const [name, reference] of [
    ['digest', hashOf(randomBytes(32))],
    ['sha512 digest', hashOf(randomBytes(32), 'sha512')],
    ['tag', `missing-${randomBytes(6).toString('hex')}`],
  ] as const) {
    await check(t, `C-21 missing-manifest: by ${name} is 404 MANIFEST_UNKNOWN, GET and HEAD`, async (judge) => {
      const answer = await client.send('GET', `/v2/${repo1}/manifests/${reference}`, {
        headers: ACCEPT,
      })
      judge.status(answer, 404)
      judge.code(answer, 'MANIFEST_UNKNOWN')
      const head = await client.send('HEAD', `/v2/${repo1}/manifests/${reference}`, {
        headers: ACCEPT,
      })
      judge.status(head, 404)
      judge.body(head, Buffer.alloc(0))
    })
  }
  await check(t, 'C-22 eleven tags in one push are all named and all there', async (judge) => {
    const tags = Array.from({ length: 11 }, (_, at) => `many-${at}`)
    const path = `/v2/${repo1}/manifests/${manifest.digest}?${tags.map((tag) => `tag=${tag}`).join('&')}`
    const answer = await client.send('PUT', path, {
      headers: { 'content-type': manifest.mediaType },
      body: manifest.body,
    })
    judge.status(answer, 201)
    judge.that(
      tags.every((tag) =>
        headerOf(answer, 'oci-tag')
          .split(/\s*,\s*/)
          .includes(tag),
      ),
      `OCI-Tag is ${headerOf(answer, 'oci-tag')}`,
    )
    for (const tag of tags) judge.status(await client.send('HEAD', `/v2/${repo1}/manifests/${tag}`), 200)
    judge.status(await client.send('DELETE', `/v2/${repo1}/manifests/${manifest.digest}`), 202)
    for (const tag of tags) judge.status(await client.send('HEAD', `/v2/${repo1}/manifests/${tag}`), 404)
  })
  await check(t, 'C-20 deleting what is not there is 404', async (judge) => {
    const missing = hashOf(randomBytes(32))
    judge.status(await client.send('DELETE', `/v2/${repo1}/manifests/${missing}`), 404)
    judge.status(await client.send('DELETE', `/v2/${repo1}/manifests/no-such-tag`), 404)
    judge.status(await client.send('DELETE', `/v2/${repo1}/blobs/${missing}`), 404)
    judge.status(await client.send('DELETE', addQuery(`/v2/${repo1}/manifests/${missing}`, { x: 'y' })), 404)
  })
}
