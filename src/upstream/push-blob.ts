// Makes a remote registry have a blob, by the cheapest way that it takes: a link from another of its repositories, else the
// bytes; and what broke on its way is gone on with, or begun again.
import type { RepositoryName } from '../oci/name.ts'
import type { Endpoint } from './endpoint.ts'
import type { Patience } from './patience.ts'
import { insist, mayPass } from './patience.ts'
import type { OpenBytes, UploadAsk } from './push-upload.ts'
import { abandonUpload, askUpload, beginUpload, finishUpload, mountBlob } from './push-upload.ts'
import type { Throttle } from './throttle.ts'
import { UpstreamError } from './upstream-error.ts'

export interface PushBlobAsk extends UploadAsk {
  /** Repositories of the same registry that have the blob: it is linked from there without a byte. */
  readonly from?: readonly RepositoryName[]
}

export interface PushBlobOptions {
  readonly patience: Patience
  readonly throttle: Throttle
}

// A registry that does not link from the first will hardly do it from the tenth.
const MOST_MOUNTS = 3

/** Says how the blob came there. Throws an UpstreamError, or what the source of the bytes threw. */
export async function pushBlob(
  endpoint: Endpoint,
  ask: PushBlobAsk,
  { patience, throttle }: PushBlobOptions,
): Promise<'mounted' | 'pushed'> {
  const { repository, from = [], signal, isOnce = false } = ask
  let upload: URL | undefined
  // A link is there at once.
  if (from.length > 0) await ask.beforeCommit?.()
  for (const other of from.filter((name) => name !== repository).slice(0, MOST_MOUNTS)) {
    const mounted = await tryMount(endpoint, ask, other, patience)
    if (mounted === 'mounted') return 'mounted'
    upload = mounted
    if (upload !== undefined) break
  }
  let isSpent = false
  const open: OpenBytes = (offset) => {
    isSpent = true
    return ask.open(offset)
  }
  const send = async (tries: number): Promise<void> => {
    let offset = 0
    if (tries > 1 && upload !== undefined) {
      const kept = await askUpload(endpoint, ask, upload).catch(notKnown)
      if (kept === undefined) await abandonUpload(endpoint, repository, upload)
      upload = kept?.upload
      offset = kept?.offset ?? 0
    }
    upload ??= await beginUpload(endpoint, ask)
    await finishUpload(endpoint, { ...ask, open }, upload, { offset, throttle, onMoved: (next) => (upload = next) })
  }
  try {
    await insist(send, { ...patience, mayRepeat: () => !(isOnce && isSpent) }, signal)
    return 'pushed'
  } catch (error) {
    if (upload !== undefined) await abandonUpload(endpoint, repository, upload)
    throw error
  }
}

/** An upload that the registry began instead, or undefined where it did neither. */
async function tryMount(
  endpoint: Endpoint,
  ask: PushBlobAsk,
  from: RepositoryName,
  patience: Patience,
): Promise<'mounted' | URL | undefined> {
  try {
    return (await insist(() => mountBlob(endpoint, ask, from), patience, ask.signal)) ?? 'mounted'
  } catch (error) {
    // Another repository may be closed to this login, and some registries know no mount at all.
    if (error instanceof UpstreamError && !mayPass(error)) return undefined
    throw error
  }
}

/** With a registry that does not say what it has one begins again; one that cannot be reached is waited for. */
function notKnown(error: unknown): undefined {
  if (mayPass(error) || !(error instanceof UpstreamError)) throw error
  return undefined
}
