// What refers to manifests of upstreams, with as few questions as can be: a registry that has no referrers API says so
// once, and where all tags of the repository are known the tag that stands in for the API need not be looked for.
import type { Digest } from '../../oci/digest.ts'
import { parseTag } from '../../oci/reference.ts'
import { subjectTagOf } from '../../oci/subject-tag.ts'
import type { ReferrerList } from '../../upstream/read-lists.ts'
import type { ImageAsk } from './read-image.ts'

type Found = Pick<ReferrerList, 'descriptors' | 'via'>

const NOTHING: Found = { descriptors: [], via: 'nothing' }

export class ReferrerLists {
  readonly #signal: AbortSignal
  /** By upstream, whether it has the API; a promise, so that all others wait for the first answer. */
  readonly #hasApi = new Map<object, Promise<boolean>>()

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  /** As `client.listReferrers`. Throws an UpstreamError. */
  async list({ located, tags }: ImageAsk, subject: Digest): Promise<Found> {
    const { upstream, repository } = located
    const ask = (): Promise<ReferrerList> =>
      upstream.client.listReferrers(repository, subject, { signal: this.#signal })
    const hasApi = this.#hasApi.get(upstream.client)
    if (hasApi === undefined) {
      const first = ask()
      this.#hasApi.set(
        upstream.client,
        first.then(
          ({ via }) => via === 'api',
          () => {
            this.#hasApi.delete(upstream.client)
            return true
          },
        ),
      )
      return first
    }
    // The specification: a registry that has it never answers 404.
    if (tags?.has(parseTag(subjectTagOf(subject))) === false && !(await hasApi)) return NOTHING
    return ask()
  }
}
