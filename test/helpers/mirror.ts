// A Tarn that mirrors, in the test's own process, with another Tarn behind a gateway as its upstream.
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import type { Test } from 'tap'
import { buildRegistry } from '../../src/app.ts'
import type { Parts } from '../../src/app.ts'
import { resolveConfig } from '../../src/config/load.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import type { Client } from './client.ts'
import { openClient } from './client.ts'
import { hashOf } from './digest.ts'
import type { Gateway } from './gateway.ts'
import { startGateway } from './gateway.ts'
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, pushBlob, pushManifest } from './push.ts'
import type { Pushed } from './push.ts'
import { makeDirectory, startTarn } from './server.ts'

/** As image names spell the upstream of these tests. */
export const UP = 'up.test'

export interface StartedUpstream {
  /** The client of the registry itself, to push to. */
  readonly client: Client
  readonly gateway: Gateway
}

/** A registry with a gateway in front of it. */
export async function startUpstream(t: Test): Promise<StartedUpstream> {
  const tarn = await startTarn(t, { storage: { delete: { enabled: true } } })
  const client = openClient({ url: tarn.url })
  t.teardown(() => client.close())
  return { client, gateway: await startGateway(t, tarn.url) }
}

export interface StartedMirror {
  readonly url: string
  readonly client: Client
  readonly directory: string
  readonly data: string
  /** Moves the mirror's clock on, in milliseconds. */
  turn(milliseconds: number): void
  close(): Promise<void>
}

export interface MirrorOptions {
  /** Of the upstream. */
  readonly upstream?: Record<string, unknown>
  readonly mirror?: Record<string, unknown>
  readonly config?: ConfigInput
  readonly parts?: Parts
  /** Of an earlier mirror. */
  readonly directory?: string
}

/** Starts a mirror of the gateways (addresses of one upstream, tried in order); it ends with the test. */
export async function startMirror(
  t: Test,
  gateways: readonly Pick<Gateway, 'origin'>[],
  options: MirrorOptions = {},
): Promise<StartedMirror> {
  const { directory = makeDirectory(t), config = {}, parts = {} } = options
  const data = join(directory, 'data')
  let ahead = 0
  const upstream = { host: UP, url: gateways.map(({ origin }) => origin), insecure: true, ...options.upstream }
  const app = await buildRegistry(
    resolveConfig({
      ...config,
      storage: { filesystem: { rootdirectory: data }, delete: { enabled: true }, ...config.storage },
      mirror: { anonymous: true, upstreams: [upstream], ...options.mirror },
    }),
    {
      clock: () => Date.now() + ahead,
      logger: pino({ level: process.env['TARN_TEST_LOG'] ?? 'silent' }, pino.destination({ dest: 2, sync: true })),
      home: directory,
      ...parts,
      upstream: { client: { breaker: { first: 50, longest: 200 } }, ...parts.upstream },
    },
  )
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const client = openClient({ url })
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    client.close()
    return (closing ??= Promise.resolve(app.close()).then(() => undefined))
  }
  t.teardown(close)
  return { url, client, directory, data, turn: (milliseconds) => (ahead += milliseconds), close }
}

/** An image of a config and these layers. */
export async function pushLayers(
  client: Client,
  repo: string,
  layers: readonly Buffer[],
  options: { readonly reference?: string; readonly architecture?: string; readonly subject?: Pushed } = {},
): Promise<Pushed & { readonly layers: readonly string[]; readonly config: string }> {
  const { architecture = 'amd64', subject } = options
  const config = Buffer.from(JSON.stringify({ os: 'linux', architecture, note: layers.map((layer) => hashOf(layer)) }))
  const digests: string[] = []
  for (const layer of [config, ...layers]) digests.push(await pushBlob(client, repo, layer))
  const [configDigest = '', ...layerDigests] = digests
  const body = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, digest: configDigest, size: config.length },
      layers: layers.map((layer, index) => ({
        mediaType: 'application/vnd.oci.image.layer.v1.tar',
        digest: layerDigests[index],
        size: layer.length,
      })),
      ...(subject && {
        subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.body.length },
        artifactType: 'application/vnd.test.signature',
      }),
    }),
  )
  const pushed = await pushManifest(client, repo, OCI_MANIFEST, body, options.reference)
  return { ...pushed, layers: layerDigests, config: configDigest }
}

/** An index of these images, one for each architecture. */
export async function pushIndex(
  client: Client,
  repo: string,
  children: Readonly<Record<string, Pushed>>,
  reference?: string,
): Promise<Pushed> {
  const manifests = Object.entries(children).map(([architecture, { mediaType, digest, body }]) => ({
    mediaType,
    digest,
    size: body.length,
    platform: { os: 'linux', architecture },
  }))
  const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }))
  return pushManifest(client, repo, OCI_INDEX, body, reference)
}

/** Waits until `holds` does. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 120_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not in two minutes: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
