// The push client against the real registry:2 behind a login, over TLS: what goes in comes out, links cost no bytes, and a
// connection that breaks in the middle costs no more than what was on its way.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseDigest } from '../../../src/oci/digest.ts'
import { parseRepositoryName } from '../../../src/oci/name.ts'
import { parseReference, parseTag } from '../../../src/oci/reference.ts'
import { PushClient } from '../../../src/upstream/push-client.ts'
import { makeBlob } from '../../helpers/pushing.ts'
import { giveLogin } from '../../helpers/upstream.ts'
import { makeDockerRegistryProgram } from '../helpers/docker-registry.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { RegistryProgram } from '../helpers/tarn.ts'
import { makeTarnProgram, startRegistry } from '../helpers/tarn.ts'
import { TYPES } from '../mirror/images.ts'

const REPOSITORY = parseRepositoryName('team/app')
const OTHER = parseRepositoryName('team/other')

export async function checkPush({ machine, checkout, node }: E2EContext, recorder: Recorder): Promise<void> {
  const programs: Readonly<Record<string, RegistryProgram>> = {
    'registry:2': makeDockerRegistryProgram(),
    Tarn: makeTarnProgram(checkout, node),
  }
  for (const [title, program] of Object.entries(programs)) {
    await recorder.check(`pushed to ${title} over TLS with a login`, async () => {
      const registry = await startRegistry(machine, program, { tls: true, login: true })
      const { user = '', password = '' } = registry.login ?? {}
      const push = new PushClient({
        host: registry.address,
        url: registry.url,
        ca: [await readFile(registry.ca ?? '', 'utf8')],
        credentials: giveLogin(user, password),
        clock: Date.now,
        patience: { first: 50 },
      })
      try {
        await pushAll(push)
      } finally {
        await push.close()
        await registry.stop()
      }
    })
  }
}

async function pushAll(push: PushClient): Promise<void> {
  const [layer, config] = [makeBlob(20_000_000), makeBlob('{"os":"linux"}')]
  const expect = (what: string, got: unknown, wanted: unknown): void => {
    if (got !== wanted) throw new Error(`${what}: ${String(got)}, not ${String(wanted)}`)
  }
  expect('a layer', await push.pushBlob({ repository: REPOSITORY, ...layer }), 'pushed')
  expect('the same again', await push.pushBlob({ repository: REPOSITORY, ...layer }), 'present')
  expect('a config', await push.pushBlob({ repository: REPOSITORY, ...config }), 'pushed')
  expect('a link', await push.pushBlob({ repository: OTHER, ...layer, from: [REPOSITORY] }), 'mounted')
  // A source that breaks in its middle once: the next try goes on, or begins again, and the bytes are right.
  const broken = makeBlob(20_000_000)
  let opened = 0
  const open = async function* (offset: number): AsyncGenerator<Uint8Array> {
    opened += 1
    for await (const piece of broken.open(offset)) {
      if (opened === 1 && offset === 0) await sleep(1)
      yield piece
    }
  }
  expect('a slow layer', await push.pushBlob({ repository: REPOSITORY, ...broken, open }), 'pushed')
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: TYPES.image,
      config: { mediaType: TYPES.config, digest: config.digest, size: config.size },
      layers: [{ mediaType: TYPES.layer, digest: layer.digest, size: layer.size }],
    }),
  )
  const digest = parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`)
  const manifest = { repository: REPOSITORY, digest, bytes, mediaType: TYPES.image }
  await push.pushManifest({ ...manifest, reference: { kind: 'digest', digest } })
  await push.pushManifest({ ...manifest, reference: parseReference('v1') })
  await push.pushManifest({ ...manifest, reference: parseReference('v2') })
  expect('the tag', await push.hasManifest(REPOSITORY, digest, { tag: parseTag('v1') }), true)
  expect('a tag taken away', await push.remove(REPOSITORY, parseReference('v1')), true)
  expect('the tag', await push.hasManifest(REPOSITORY, digest, { tag: parseTag('v1') }), false)
  expect('the other tag', await push.hasManifest(REPOSITORY, digest, { tag: parseTag('v2') }), true)
  expect('the manifest taken away', await push.remove(REPOSITORY, parseReference(digest)), true)
  expect('the manifest', await push.hasManifest(REPOSITORY, digest), false)
}
