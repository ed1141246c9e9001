import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Test } from 'tap'
import t from 'tap'
import { healFromUpstreams } from '../../src/mirror/heal.ts'
import type { Located } from '../../src/mirror/route.ts'
import { UpstreamError } from '../../src/upstream/upstream-error.ts'
import { makeImages, plantImage, runCheck } from '../helpers/checking.ts'
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

const UNREACHABLE = new UpstreamError('unreachable', 'no route to up.test')

/** The images of a store; those below `up.test/` have an upstream that holds `bytes`. */
function makeHealing(t: Test, failure?: UpstreamError) {
  const { store, one: own } = makeImages(t)
  const mirrored = plantImage(store, `${UP}/team/app`, 'v1')
  const bytes = new Map<string, Buffer>()
  for (const digest of [mirrored.manifest, mirrored.config, mirrored.layer, own.layer]) {
    bytes.set(digest, readFileSync(store.layout.blobData(digest)))
  }
  const asked: string[] = []
  const take = (what: string, repository: string, digest: string, mayHave: boolean): Buffer => {
    asked.push(`${what} ${repository}`)
    const found = failure === undefined && mayHave ? bytes.get(digest) : undefined
    if (found === undefined) throw failure ?? new UpstreamError('notFound', 'none')
    return found
  }
  const client = {
    getBlob: async ({ repository, digest }: { repository: string; digest: string }) => ({
      body: Readable.from([take('blob', repository, digest, digest !== mirrored.manifest)]),
    }),
    getManifest: async (repository: string, { digest }: { digest: string }) => ({
      bytes: take('manifest', repository, digest, digest === mirrored.manifest),
    }),
  }
  const source = (mayAsk = true) =>
    healFromUpstreams({
      store,
      locate: (name) =>
        name.startsWith(`${UP}/`)
          ? ({ name, repository: name.slice(UP.length + 1), upstream: { client } } as unknown as Located)
          : undefined,
      mayAsk: () => mayAsk,
    })
  const damage = (): void => {
    rmSync(store.layout.blobData(mirrored.layer))
    writeFileSync(store.layout.blobData(mirrored.config), 'rot')
    rmSync(store.layout.blobData(mirrored.manifest))
    rmSync(store.layout.blobData(own.layer))
  }
  return { store, mirrored, own, bytes, asked, source, damage }
}

t.test('a repair heals blobs and manifests of a mirrored repository from its upstream, and nothing else', async (t) => {
  const { store, mirrored, own, bytes, asked, source, damage } = makeHealing(t)
  damage()
  const report = await runCheck(t, store, { repair: true }, { sources: [source()] })
  for (const digest of [mirrored.manifest, mirrored.config, mirrored.layer]) {
    t.same(readFileSync(store.layout.blobData(digest)), bytes.get(digest))
  }
  t.notOk(existsSync(store.layout.blobData(own.layer)), 'nobody may be asked for what lies elsewhere')
  t.ok(report.findings.some(({ by }) => by === 'the upstream'))
  t.same([...new Set(asked)].toSorted(), ['blob team/app', 'manifest team/app'])
})

t.test('an upstream that gives other bytes heals nothing', async (t) => {
  const { store, mirrored, bytes, source, damage } = makeHealing(t)
  damage()
  for (const digest of bytes.keys()) bytes.set(digest, Buffer.from('a lie'))
  await runCheck(t, store, { repair: true }, { sources: [source()] })
  t.notOk(existsSync(store.layout.blobData(mirrored.layer)))
})

t.test('offline nobody is asked, and an upstream that cannot be reached is told', async (t) => {
  const { store, asked, mirrored, source, damage } = makeHealing(t, UNREACHABLE)
  damage()
  t.equal(await source(false).open(mirrored.layer), undefined)
  t.same(asked, [])
  await t.rejects(source().open(mirrored.layer), UNREACHABLE)
  const report = await runCheck(t, store, { repair: true }, { sources: [source()] })
  t.ok(report.findings.some(({ what }) => /the upstream failed: no route to up.test/.test(what)))
})
