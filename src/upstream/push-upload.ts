// One upload of a blob to a remote registry (distribution-spec "Pushing blobs"): begun, mounted, sent in one piece, gone
// on with where the registry says that it has the beginning, and given up. It tries nothing twice by itself.
import { Readable } from 'node:stream'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, isDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Endpoint } from './endpoint.ts'
import type { Throttle } from './throttle.ts'
import type { Incoming } from './transport.ts'
import { UpstreamError } from './upstream-error.ts'

/** Bytes of a blob from an offset on. */
export type OpenBytes = (offset: number) => AsyncIterable<Uint8Array>

export interface UploadAsk {
  readonly repository: RepositoryName
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly open: OpenBytes
  /** The bytes can be opened only once, at 0: what breaks is not tried again. */
  readonly isOnce?: boolean
  readonly signal?: AbortSignal
  /** Called when all bytes are there and before the registry is asked to make them a blob. */
  readonly beforeCommit?: (() => Promise<void>) | undefined
  /** Told of bytes that left; after a break some leave again. */
  readonly onBytes?: (bytes: number) => void
}

// The registry may read the whole blob again before it answers, and that on a slow disk.
const CLOSING_MS = 900_000
// A config or so: not worth a PATCH of its own.
const SMALL = 262_144
const ABANDON_MS = 10_000
const OCTETS = { 'content-type': 'application/octet-stream' }

type Beginning = Pick<UploadAsk, 'repository' | 'digest' | 'signal'>

/** Begins an upload; gives where its bytes go. Throws an UpstreamError, as all of these do. */
export async function beginUpload(endpoint: Endpoint, ask: Beginning): Promise<URL> {
  const incoming = await post(endpoint, ask, {})
  return readLocation(endpoint, incoming)
}

/** Links a blob from another repository; gives an upload that the registry began instead, or undefined when it is there. */
export async function mountBlob(endpoint: Endpoint, ask: Beginning, from: RepositoryName): Promise<URL | undefined> {
  const incoming = await post(endpoint, ask, { from })
  return incoming.status === 201 ? undefined : readLocation(endpoint, incoming)
}

async function post(
  endpoint: Endpoint,
  { repository, digest, signal }: Beginning,
  { from }: { readonly from?: RepositoryName },
): Promise<Incoming> {
  const query = from === undefined ? '' : `?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`
  const incoming = await endpoint.ask({
    method: 'POST',
    lane: 'blobs',
    repository,
    path: `/blobs/uploads/${query}`,
    actions: 'pull,push',
    expect: from === undefined ? [202] : [201, 202],
    ...(from !== undefined && { from }),
    ...(signal && { signal }),
  })
  incoming.discard()
  return incoming
}

export interface SendOptions {
  readonly offset: number
  readonly throttle: Throttle
  /** Told where the upload goes on. */
  readonly onMoved: (upload: URL) => void
}

/** Sends the bytes from `offset` on and closes the upload. Throws also what the source threw. */
export async function finishUpload(
  endpoint: Endpoint,
  ask: UploadAsk,
  upload: URL,
  options: SendOptions,
): Promise<void> {
  const { repository, digest, size, signal } = ask
  const frame = { lane: 'blobs', repository, actions: 'pull,push', ...(signal && { signal }) } as const
  const { offset, onMoved } = options
  const sending = new Sending(ask, options)
  const { beforeCommit } = ask
  const isWhole = offset === 0 && size <= SMALL && beforeCommit === undefined
  let at = upload
  if (!isWhole && offset < size) {
    const range = { 'content-range': `${offset}-${size - 1}` }
    const patch = { ...frame, method: 'PATCH', path: upload, expect: [201, 202, 204] } as const
    const headers = { ...OCTETS, 'content-length': String(size - offset), ...(offset > 0 && range) }
    const incoming = await sending.run(() => endpoint.ask({ ...patch, headers, body: () => sending.open() }))
    incoming.discard()
    at = readLocation(endpoint, incoming, upload)
    onMoved(at)
  }
  await beforeCommit?.()
  at = new URL(at)
  at.searchParams.set('digest', digest)
  const put = { ...frame, method: 'PUT', path: at, patience: CLOSING_MS, expect: [201, 204] } as const
  const incoming = isWhole
    ? await sending.run(() =>
        endpoint.ask({
          ...put,
          headers: { ...OCTETS, 'content-length': String(size) },
          body: () => (size === 0 ? '' : sending.open()),
        }),
      )
    : await endpoint.ask({ ...put, headers: OCTETS })
  incoming.discard()
  checkDigest(incoming, digest)
}

/** Bytes that the registry has of an upload and where the next go; undefined when it does not know the upload any more. */
export async function askUpload(
  endpoint: Endpoint,
  { repository, size, signal }: Pick<UploadAsk, 'repository' | 'size' | 'signal'>,
  upload: URL,
): Promise<{ readonly offset: number; readonly upload: URL } | undefined> {
  const incoming = await endpoint.ask({
    method: 'GET',
    lane: 'blobs',
    repository,
    path: upload,
    actions: 'pull,push',
    expect: [204, 202, 200],
    ...(signal && { signal }),
  })
  incoming.discard()
  const range = incoming.header('range')
  const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(range ?? '')?.[1]
  if (last === undefined) return undefined
  // "0-0" is nothing in distribution's words, and one byte in those of the specification: begin again is right for both.
  const offset = last === '0' ? 0 : Number(last) + 1
  return offset === 0 || offset > size ? undefined : { offset, upload: readLocation(endpoint, incoming, upload) }
}

/** Tells the registry that nothing more comes. Best effort: it clears away by itself what it is not told of. */
export async function abandonUpload(endpoint: Endpoint, repository: RepositoryName, upload: URL): Promise<void> {
  const signal = AbortSignal.timeout(ABANDON_MS)
  const ask = { method: 'DELETE', lane: 'blobs', repository, path: upload, actions: 'pull,push', signal } as const
  await endpoint.ask({ ...ask, expect: [200, 202, 204, 404] }).then(
    (incoming) => incoming.discard(),
    () => undefined,
  )
}

/** Throws 'invalid' when the answer to a push names another digest than was pushed. */
export function checkDigest(incoming: Incoming, digest: Digest): void {
  const said = incoming.header('docker-content-digest')
  if (said === undefined || said === '' || said === digest) return
  // Of two algorithms neither can be compared with the other.
  if (isDigest(said) && algorithmOf(said) !== algorithmOf(digest)) return
  throw new UpstreamError('invalid', `${incoming.url.host} stored another digest than ${digest}`)
}

function readLocation(endpoint: Endpoint, incoming: Incoming, usual?: URL): URL {
  const location = endpoint.readUpload(incoming) ?? usual
  if (location !== undefined) return location
  throw new UpstreamError('invalid', `${incoming.url.host} begins an upload without saying where it goes`)
}

/** The bytes on their way out: counted, throttled, and what is wrong with them told apart from what the registry does. */
class Sending {
  readonly #ask: UploadAsk
  readonly #options: SendOptions
  #fault: unknown
  #isSpent = false

  constructor(ask: UploadAsk, options: SendOptions) {
    this.#ask = ask
    this.#options = options
  }

  open(): Readable {
    if (this.#isSpent && this.#ask.isOnce === true)
      throw new UpstreamError('unreachable', `the bytes of ${this.#ask.digest} are wanted again and were given once`)
    this.#isSpent = true
    this.#fault = undefined
    const stream = Readable.from(this.#read(), { highWaterMark: 1 })
    // Destroyed when the answer came before its end.
    stream.on('error', () => undefined)
    return stream
  }

  async run<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      throw this.#fault ?? error
    }
  }

  async *#read(): AsyncGenerator<Uint8Array, void, void> {
    const { digest, size, open, signal, onBytes } = this.#ask
    const { offset, throttle } = this.#options
    const wrong = (what: string): Error =>
      new Error(`the bytes of ${digest} are ${what} than the ${size} that they should be`)
    let left = size - offset
    try {
      for await (const piece of open(offset)) {
        left -= piece.byteLength
        if (left < 0) throw wrong('more')
        const pause = throttle.spend(piece.byteLength, signal)
        if (pause !== undefined) await pause
        onBytes?.(piece.byteLength)
        yield piece
      }
      if (left > 0) throw wrong('fewer')
    } catch (error) {
      this.#fault = error
      throw error
    }
  }
}
