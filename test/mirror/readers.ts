import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { Readers } from '../../src/mirror/readers.ts'
import { UP, pushLayers, startMirror, startUpstream, until } from '../helpers/mirror.ts'
import { A, B } from '../helpers/store.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { hashOf } from '../helpers/digest.ts'

const HOUR = 3_600_000

t.test('an image of which somebody reads a layer for hours is not evicted, and is when that is over', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const large = await pushLayers(client, 'team/app', [randomBytes(24_000_000)], { reference: 'large' })
  const mirror = await startMirror(t, [gateway], {
    upstream: { referrers: false },
    mirror: { cache: { maxBytes: '1MB' } },
  })
  const pull = async (tag: string): Promise<void> => {
    await mirror.client.send('GET', `/v2/${UP}/team/app/manifests/${tag}`)
    await until(`${tag} is whole`, () => hasTag(tag))
  }
  const hasTag = (tag: string): boolean =>
    existsSync(join(mirror.data, `docker/registry/v2/repositories/${UP}/team/app/_manifests/tags/${tag}/current/link`))
  /** Each image that becomes whole lets the mirror look at its bound. */
  const look = async (tag: string): Promise<void> => {
    await pushLayers(client, 'team/app', [randomBytes(100)], { reference: tag })
    mirror.turn(HOUR)
    await pull(tag)
  }
  await pull('large')
  const request = get(`${mirror.url}/v2/${UP}/team/app/blobs/${large.layers[0]}`)
  // Nobody takes its bytes: most of them wait in the registry.
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  for (const tag of ['one', 'two', 'three']) await look(tag)
  t.ok(hasTag('large'), 'it is being read')
  let length = 0
  for await (const piece of response as AsyncIterable<Buffer>) length += piece.length
  t.equal(length, 24_000_000)
  for (let number = 0; hasTag('large') && number < 20; number += 1) await look(`later${number}`)
  t.notOk(hasTag('large'), 'nobody reads it any more')
})

t.test('a blob is read until its last reader closed it, in that repository alone', async (t) => {
  const readers = new Readers()
  const digest = parseDigest(hashOf('x'))
  const open = () => ({
    digest,
    size: 1,
    send: async () => undefined,
    leave: () => undefined,
    close: async () => undefined,
  })
  const [one, two] = [readers.count(A, open()), readers.count(A, open())]
  t.ok(readers.has(A, digest))
  t.notOk(readers.has(B, digest))
  await one.close()
  t.ok(readers.has(A, digest))
  await two.close()
  t.notOk(readers.has(A, digest))
})
