import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import type { Client } from '../helpers/client.ts'
import { UP, pushLayers, startMirror, startUpstream, until } from '../helpers/mirror.ts'
import type { Pushed } from '../helpers/push.ts'
import { OCI_INDEX, pushManifest } from '../helpers/push.ts'

const APP = `/v2/${UP}/team/app`
const HOUR = 3_600_000

type Child = readonly [image: Pushed, platform: Record<string, string>]

/** An index `one` of images for these platforms. */
async function pushPlatforms(client: Client, children: readonly Child[]): Promise<Pushed> {
  const manifests = children.map(([{ mediaType, digest, body }, platform]) => {
    return { mediaType, digest, size: body.length, platform }
  })
  const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }))
  return pushManifest(client, 'team/app', OCI_INDEX, body, 'one')
}

/** A client pulled `asked` of an index, and then the tag moves to another index: gives which of its children came. */
async function findMoved(
  t: Test,
  platforms: { before: readonly Record<string, string>[]; after: readonly Record<string, string>[] },
): Promise<number[]> {
  const { client, gateway } = await startUpstream(t)
  const push = async (list: readonly Record<string, string>[]) => {
    const images = await Promise.all(list.map(() => pushLayers(client, 'team/app', [randomBytes(500)])))
    const children = images.map((image, index): Child => [image, list[index] ?? {}])
    return { images, index: await pushPlatforms(client, children) }
  }
  const before = await push(platforms.before)
  const mirror = await startMirror(t, [gateway], { upstream: { referrers: false } })
  const tagOf = async (): Promise<unknown> =>
    (await mirror.client.send('HEAD', `${APP}/manifests/one`)).headers['docker-content-digest']
  await mirror.client.send('GET', `${APP}/manifests/one`)
  await mirror.client.send('GET', `${APP}/manifests/${before.images[0]?.digest}`)
  const tags = join(mirror.data, `docker/registry/v2/repositories/${UP}/team/app/_manifests/tags`)
  await until('the tag is here', () => existsSync(join(tags, 'one/current/link')))
  const after = await push(platforms.after)
  mirror.turn(2 * HOUR)
  await until('the tag moved', async () => (await tagOf()) === after.index.digest)
  return after.images.flatMap(({ layers }, index) =>
    gateway.count(`GET /v2/team/app/blobs/${layers[0]}`) > 0 ? [index] : [],
  )
}

const AMD = { os: 'linux', architecture: 'amd64' }
const ARM = { os: 'linux', architecture: 'arm64' }

t.test('a platform that the next index spells otherwise is the same one', async (t) => {
  t.same(await findMoved(t, { before: [ARM, AMD], after: [AMD, { ...ARM, variant: 'v8' }] }), [1])
})

t.test('a platform of a newer version of the system is the one that was asked for', async (t) => {
  const windows = (version: string) => ({ os: 'windows', architecture: 'amd64', 'os.version': version })
  const [old, newer] = [windows('10.0.17763.5329'), windows('10.0.17763.6054')]
  t.same(await findMoved(t, { before: [old, AMD], after: [AMD, newer] }), [1])
})

t.test('of a platform whose variant is gone another variant comes', async (t) => {
  const arm = { os: 'linux', architecture: 'arm' }
  t.same(await findMoved(t, { before: [{ ...arm, variant: 'v6' }], after: [AMD, { ...arm, variant: 'v7' }] }), [1])
})

t.test('an index that has none of the platforms asked for takes the tag with one of its own', async (t) => {
  t.same(await findMoved(t, { before: [ARM], after: [{ os: 'linux', architecture: 's390x' }, AMD] }), [1])
})
