// A sync that takes only what is signed, by the command as a process of its own from another Tarn.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { FetchedImage, ImageAsk } from '../../../src/mirror/sync/read-image.ts'
import type { SyncReport } from '../../../src/mirror/sync/report.ts'
import { ImagePolicies } from '../../../src/mirror/sync/verify-images.ts'
import { makeHome } from '../../helpers/home.ts'
import { startUpstream } from '../../helpers/mirror.ts'
import { OCI_MANIFEST, pushBlob, pushImage, pushManifest } from '../../helpers/push.ts'
import { cosignPayload, makeSignatureImage, makeSigningKey, signPayload } from '../../helpers/signing.ts'
import { imageOf, meantOf } from '../../helpers/sync-facts.ts'
import { runTarn } from '../../helpers/tarn.ts'

t.test(
  'images without a valid signature are told and nothing of them is fetched; the others come with theirs',
  async (t) => {
    const { client, gateway } = await startUpstream(t)
    const { directory } = makeHome(t)
    const host = new URL(gateway.origin).host
    const [key, stranger] = [makeSigningKey(), makeSigningKey()]
    const digests = new Map<string, string>()
    for (const [tag, signer] of [
      ['good', key],
      ['bad', stranger],
      ['none', undefined],
    ] as const) {
      const { digest } = await pushImage(client, 'team/app', tag, { reference: tag })
      digests.set(tag, digest)
      if (signer === undefined) continue
      const payload = cosignPayload(digest, `${host}/team/app`)
      const image = makeSignatureImage(digest, [{ payload, signature: signPayload(payload, signer) }])
      for (const blob of [image.config, ...image.payloads]) await pushBlob(client, 'team/app', blob)
      await pushManifest(client, 'team/app', OCI_MANIFEST, image.manifest, image.tag)
    }
    writeFileSync(join(directory, 'cosign.pub'), key.publicKey)
    const rule = { type: 'sigstoreSigned', keyPath: 'cosign.pub', signedIdentity: { type: 'matchRepository' } }
    const write = (requirement: object): void =>
      writeFileSync(join(directory, 'policy.json'), JSON.stringify({ default: [requirement] }))
    write(rule)
    writeFileSync(
      join(directory, 's.yml'),
      [
        'version: 1',
        'defaults: {onlySigned: true, policy: policy.json}',
        `registries: {"${host}": {insecure: true, url: ["${gateway.origin}"]}}`,
        `sync: [{from: "${host}/team/app", to: lab/app}]`,
      ].join('\n'),
    )
    const sync = async (...more: string[]) => {
      const { code, stdout, stderr } = await runTarn(directory, ['--json', 'sync', 's.yml', ...more])
      return { code, stderr, report: (stdout === '' ? undefined : JSON.parse(stdout)) as SyncReport | undefined }
    }
    const { code, report, stderr } = await sync()
    t.equal(code, 3, stderr)
    const results = Object.fromEntries(
      (report?.images ?? []).map(({ tag = '', result, why }) => [tag, `${result} ${why ?? ''}`]),
    )
    t.match(results, {
      good: /^copied/,
      bad: /^failed not verified: no key of the policy/,
      none: /^failed not verified: it is not signed/,
    })
    const asked = gateway.seen.map(({ url }) => url)
    for (const blob of asked.filter((url) => url.includes('/blobs/')))
      t.notOk(blob.includes(digests.get('none') ?? ''), 'nothing of what was not signed is fetched')

    gateway.seen.length = 0
    const again = await sync()
    t.equal(again.code, 3)
    t.match(again.report, { counts: { here: 1, failed: 2 } })

    write({ type: 'sigstoreSigned', fulcio: {} })
    const wrong = await sync()
    t.match(
      wrong,
      { code: 2, stderr: /fulcio cannot be checked here/ },
      'a policy that cannot be kept stops before anything is asked',
    )
    write({ type: 'reject' })
    t.match(await sync(), { code: 3, report: { counts: { here: 1, failed: 2 } } })
    write({ type: 'insecureAcceptAnything' })
    t.match(await sync(), { code: 3, report: { counts: { here: 1, failed: 2 } } }, 'to accept anything is no signature')
  },
)

t.test('what came by a pull is asked about, and what a sync brought is not', async (t) => {
  const directory = t.testdir({ 'policy.json': JSON.stringify({ default: [{ type: 'reject' }] }) })
  const signing = { onlySigned: false, policy: join(directory, 'policy.json') }
  const policies = new ImagePolicies([signing], {
    fetcher: { get: () => Promise.reject(new Error('nothing is fetched here')) },
    clock: Date.now,
  })
  const root = { ...imageOf('amd64', { a: 1 }), stored: { bytes: Buffer.alloc(1) } }
  const image = { ...meantOf('1', root), root, read: new Map() } as unknown as FetchedImage
  const ask = {
    image: { from: image.from, to: image.to, tag: image.tag, platforms: 'all' },
    located: { name: 'app', repository: 'app', upstream: { client: {}, config: { host: 'up.example' } } },
    reference: { kind: 'tag', tag: '1' },
    referrers: false,
    signing,
  } as unknown as ImageAsk
  const filter = async (state: 'here' | 'new' | 'kept', isSynced: boolean): Promise<boolean> => {
    const [result] = await policies.filter(
      [ask],
      [image],
      [{ state, to: image.to, ...(image.tag && { tag: image.tag }) }],
      {
        signal: new AbortController().signal,
        patient: (_host, act) => act(),
        isSynced: () => isSynced,
      },
    )
    return result !== undefined && 'why' in result && result.why.startsWith('not verified')
  }
  t.equal(await filter('here', false), true)
  t.equal(await filter('here', true), false)
  t.equal(await filter('new', true), true)
  t.equal(await filter('kept', false), false)
})
