import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { UP, pushLayers, startMirror, startUpstream, until } from '../helpers/mirror.ts'

const dataOf = (data: string, digest: string): string =>
  join(data, 'docker/registry/v2/blobs/sha256', digest.slice(7, 9), digest.slice(7), 'data')

t.test('what is lost or rotten in a mirrored image comes again from its upstream', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const layers = [randomBytes(50_000), randomBytes(50_000)]
  const image = await pushLayers(client, 'team/app', layers, { reference: 'one' })
  const mirror = await startMirror(t, [gateway])
  await mirror.client.send('GET', `/v2/${UP}/team/app/manifests/one`)
  await until('the image is whole', async () => {
    const { headers } = await mirror.client.send('HEAD', `/v2/${UP}/team/app/manifests/one`)
    return headers['age'] !== undefined
  })
  rmSync(dataOf(mirror.data, image.layers[0] ?? ''))
  writeFileSync(dataOf(mirror.data, image.layers[1] ?? ''), randomBytes(50_000))
  rmSync(dataOf(mirror.data, image.digest))
  const answer = await mirror.client.send('GET', `/v2/${UP}/team/app/manifests/one`)
  t.equal(answer.status, 200)
  for (const [index, digest] of image.layers.entries()) {
    await until('the layer is right again', async () => {
      const blob = await mirror.client.send('GET', `/v2/${UP}/team/app/blobs/${digest}`).catch(() => undefined)
      return blob?.body.equals(layers[index] ?? Buffer.alloc(0)) === true
    })
  }
})
