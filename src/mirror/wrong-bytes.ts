// An upstream sent bytes that are not what their digest says. Nothing of them is kept.
import type { Digest } from '../oci/digest.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'

export class WrongBytes extends UpstreamError {
  /** The address that is to blame; undefined when several gave bytes and nobody can say whose were wrong. */
  readonly url: string | undefined

  constructor(digest: Digest, url: string | undefined) {
    const from = (url === undefined ? undefined : URL.parse(url)?.host) ?? 'several sources together'
    super('invalid', `${from} sent bytes that are not ${digest}`, {
      hint: 'nothing of them was kept; look at that registry, or at what lies between',
    })
    this.url = url
  }
}
