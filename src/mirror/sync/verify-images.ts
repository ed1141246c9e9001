// Asks the policies of a sync about what is going to be taken: what they do not let in fails, with the reason, and nothing
// of it is fetched. What a sync brought was let in before and is not asked about again; what came by a pull was not.
import type { SyncEntry } from '../../config/sync-file.ts'
import type { Fetcher } from '../../upstream/fetch-small.ts'
import { UpstreamError } from '../../upstream/upstream-error.ts'
import type { VerifyAsk } from '../policy/verifier.ts'
import { Verifier } from '../policy/verifier.ts'
import { inParallel } from './in-parallel.ts'
import type { PlannedImage, UnreadImage } from './plan.ts'
import type { FetchedImage, ImageAsk } from './read-image.ts'

/** What an entry wants of the signatures of its images. */
export type Signing = Pick<SyncEntry, 'onlySigned' | 'policy'>

export interface VerifyParts {
  readonly fetcher: Pick<Fetcher, 'get'>
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

export interface VerifyRun {
  readonly signal: AbortSignal
  /** Runs what asks the upstream `host`, again if need be. */
  readonly patient: <T>(host: string, act: () => Promise<T>) => Promise<T>
  /** Whether a sync brought what is here, under its tag or by its digest. */
  readonly isSynced: (image: VerifiedImage) => boolean
}

type VerifiedImage = Pick<PlannedImage, 'state' | 'to' | 'tag' | 'digest'>

// Of all upstreams together: so many images' signatures are asked for.
const AT_A_TIME = 16
const TAKEN = new Set<PlannedImage['state']>(['new', 'moved', 'incomplete'])

/** The policies of one run, each read once. */
export class ImagePolicies {
  readonly #verifiers: ReadonlyMap<string, Verifier>

  /** Reads the policies of these entries. Throws a Problem for one that cannot be kept. */
  constructor(entries: readonly Signing[], parts: VerifyParts) {
    const paths = new Set(entries.flatMap(({ policy }) => policy ?? []))
    this.#verifiers = new Map([...paths].map((path) => [path, new Verifier(path, parts)]))
  }

  get isEmpty(): boolean {
    return this.#verifiers.size === 0
  }

  /** What was read, with what may not be taken as unread. `planned` is about the same images in the same order. */
  async filter(
    asks: readonly ImageAsk[],
    read: readonly (FetchedImage | UnreadImage)[],
    planned: readonly VerifiedImage[],
    run: VerifyRun,
  ): Promise<(FetchedImage | UnreadImage)[]> {
    const all = read.map((image, index) => ({ image, ask: asks[index], here: planned[index] }))
    return [
      ...(await inParallel(all, AT_A_TIME, async ({ image, ask, here }) => {
        if (ask === undefined || 'why' in image || here === undefined) return image
        const isAsked = TAKEN.has(here.state) || (here.state === 'here' && !run.isSynced(here))
        if (!isAsked) return image
        const children = [...image.read.values()].filter(({ manifest }) => manifest.kind === 'image')
        const signed = { root: toSigned(image.root), children: children.map(toSigned) }
        const why = await this.whyNot(ask, signed, run)
        return why === undefined ? image : { ...ask.image, why }
      })),
    ]
  }

  /** Why the image must not be taken, as a sentence; undefined when it may. `children` are its images that are taken. */
  async whyNot(
    ask: Pick<ImageAsk, 'located' | 'reference' | 'signing'>,
    { root, children }: Pick<VerifyAsk, 'root' | 'children'>,
    { signal, patient }: Pick<VerifyRun, 'signal' | 'patient'>,
  ): Promise<string | undefined> {
    const { located, reference, signing } = ask
    const verifier = signing?.policy === undefined ? undefined : this.#verifiers.get(signing.policy)
    if (verifier === undefined) return signing?.onlySigned === true ? 'nothing says whose signatures count' : undefined
    const { client, config } = located.upstream
    const { host } = config
    try {
      const why = await patient(host, () =>
        verifier.whyNot({
          client,
          host,
          repository: located.repository,
          reference,
          root,
          children,
          onlySigned: signing?.onlySigned === true,
          signal,
        }),
      )
      return why && `not verified: ${why}`
    } catch (error) {
      // Not to know is no reason to let it in.
      if (error instanceof UpstreamError) return `not verified: ${error.message}`
      throw error
    }
  }
}

function toSigned({ stored }: FetchedImage['root']): { digest: typeof stored.digest; bytes: Uint8Array } {
  return { digest: stored.digest, bytes: stored.bytes }
}
