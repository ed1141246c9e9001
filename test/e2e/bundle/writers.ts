// Eight clients that push, move tags and delete in one registry while bundles are made of it. Two tags in two repositories
// are always moved one after the other, so that a bundle which is no single moment shows it.
import { createHash, randomBytes } from 'node:crypto'

export interface Writers {
  /** Which step of which pair an image is, by digest. */
  readonly steps: ReadonlyMap<string, number>
  /** Acts so far. */
  count(): number
  /** Ends them; throws what one of them met. */
  end(): Promise<void>
}

/** The repositories of pair `n`: the first is moved first. */
export const pairOf = (n: number): readonly [string, string] => [`pair/${n}/first`, `pair/${n}/second`]

const TYPE = 'application/vnd.oci.image.manifest.v1+json'

export function startWriters(url: string, writers: number): Writers {
  const steps = new Map<string, number>()
  let isOver = false
  let acts = 0
  const running = Array.from({ length: writers }, async (_, n) => {
    const [first, second] = pairOf(n)
    const old: string[] = []
    for (let step = 1; !isOver; step += 1) {
      const manifest = await pushImage(url, [first, second, 'shared'], step)
      const digest = digestOf(manifest)
      steps.set(digest, step)
      await put(`${url}/v2/${first}/manifests/now`, manifest)
      await put(`${url}/v2/${second}/manifests/now`, manifest)
      await put(`${url}/v2/shared/manifests/w${n}-${step % 5}`, manifest)
      acts += 3
      old.push(digest)
      const gone = old.length > 3 ? old.shift() : undefined
      if (gone === undefined) continue
      for (const repository of [first, second]) {
        await call('DELETE', `${url}/v2/${repository}/manifests/${gone}`, [202, 404])
        acts += 1
      }
      await call('DELETE', `${url}/v2/shared/manifests/w${n}-${(step + 2) % 5}`, [202, 404])
      await call('DELETE', `${url}/v2/shared/manifests/${gone}`, [202, 404])
    }
  })
  return {
    steps,
    count: () => acts,
    async end() {
      isOver = true
      await Promise.all(running)
    },
  }
}

async function pushImage(url: string, repositories: readonly string[], step: number): Promise<Buffer> {
  const config = Buffer.from(
    JSON.stringify({ os: 'linux', architecture: 'amd64', step, salt: randomBytes(8).toString('hex') }),
  )
  const layer = randomBytes(20_000)
  for (const repository of repositories) {
    for (const bytes of [config, layer]) {
      await call('POST', `${url}/v2/${repository}/blobs/uploads/?digest=${digestOf(bytes)}`, [201], bytes)
    }
  }
  const part = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.byteLength })
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: TYPE,
      config: part('application/vnd.oci.image.config.v1+json', config),
      layers: [part('application/vnd.oci.image.layer.v1.tar', layer)],
    }),
  )
}

async function put(url: string, manifest: Buffer): Promise<void> {
  await call('PUT', url, [201], manifest, TYPE)
}

async function call(
  method: string,
  url: string,
  right: readonly number[],
  body?: Buffer,
  type = 'application/octet-stream',
): Promise<void> {
  const init =
    body === undefined ? { method } : { method, body: Uint8Array.from(body), headers: { 'content-type': type } }
  const answer = await fetch(url, init)
  const text = await answer.text()
  if (!right.includes(answer.status)) throw new Error(`${method} ${url}: ${answer.status} ${text.slice(0, 300)}`)
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
