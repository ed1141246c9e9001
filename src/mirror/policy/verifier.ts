// A policy.json ready to be asked of images of upstreams: its keys, and where signatures lie. An image of several platforms
// is signed when its index is, since that names the rest by digest, or else when everything that is taken of it is.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Lookaside } from '../../config/lookaside.ts'
import { readLookaside } from '../../config/lookaside.ts'
import { formatImageSource } from '../../config/image-source.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Reference } from '../../oci/reference.ts'
import type { UpstreamClient } from '../../upstream/client.ts'
import type { Fetcher } from '../../upstream/fetch-small.ts'
import { readAttachments } from './attachments.ts'
import type { DockerReference } from './docker-reference.ts'
import { parseDockerReference } from './docker-reference.ts'
import { judge } from './judge.ts'
import type { SignaturePlaces, Verdict } from './judge.ts'
import { Keys } from './keys.ts'
import { readSignatures } from './lookaside.ts'
import type { Policy } from './policy.ts'
import { readPolicy } from './policy.ts'

export interface VerifierParts {
  readonly fetcher: Pick<Fetcher, 'get'>
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Where podman looks for the places of signatures when there are none beside the policy. */
  readonly registriesDirectory?: string
}

export interface VerifyAsk {
  readonly client: Pick<UpstreamClient, 'getManifest' | 'getBlob'>
  /** As image names have it. */
  readonly host: string
  /** As the upstream spells it. */
  readonly repository: RepositoryName
  /** What was asked for. */
  readonly reference: Reference
  readonly root: SignedManifest
  /** The manifests of an index that are taken; none for an image of one platform. */
  readonly children: readonly SignedManifest[]
  /** Something must have been signed: a policy that accepts anything is not enough. */
  readonly onlySigned: boolean
  readonly signal: AbortSignal
}

export interface SignedManifest {
  readonly digest: Digest
  readonly bytes: Uint8Array
}

export class Verifier {
  readonly #policy: Policy
  readonly #lookaside: Lookaside
  readonly #keys = new Keys()
  readonly #parts: VerifierParts

  /** Reads the policy and the places of signatures. Throws a Problem. */
  constructor(path: string, parts: VerifierParts) {
    this.#policy = readPolicy(path)
    const beside = join(dirname(path), 'registries.d')
    this.#lookaside = readLookaside(existsSync(beside) ? beside : (parts.registriesDirectory ?? REGISTRIES))
    this.#parts = parts
  }

  /** Why the image must not be taken; undefined when it may. Throws an UpstreamError when that cannot be said. */
  async whyNot(ask: VerifyAsk): Promise<string | undefined> {
    const { root, children } = ask
    const whole = await this.#judge(ask, root)
    const why = whyNot(whole, ask)
    if (why === undefined || children.length === 0) return why
    for (const child of children) {
      const verdict = await this.#judge(ask, child)
      const reason = whyNot(verdict, ask)
      // What is wrong with the index says more than what is wrong with each of its images.
      if (reason !== undefined) return why
    }
    return undefined
  }

  async #judge({ client, host, repository, reference, signal }: VerifyAsk, manifest: SignedManifest): Promise<Verdict> {
    const named = nameOf(host, repository, reference)
    if (named === undefined) return { isAllowed: false, why: `no policy can speak of ${host}/${repository}` }
    const { fetcher, clock } = this.#parts
    const places: SignaturePlaces = {
      simple: (digest) => readSignatures(this.#lookaside, named, digest, { fetcher, signal }),
      attached: (digest) => readAttachments({ client, repository, signal }, digest),
    }
    return judge({ reference: named, ...manifest }, places, { policy: this.#policy, keys: this.#keys, clock })
  }
}

const REGISTRIES = '/etc/containers/registries.d'

function whyNot(verdict: Verdict, { onlySigned }: Pick<VerifyAsk, 'onlySigned'>): string | undefined {
  if (!verdict.isAllowed) return verdict.why
  return onlySigned && !verdict.isSigned ? 'the policy asks for no signature of it' : undefined
}

function nameOf(host: string, repository: RepositoryName, reference: Reference): DockerReference | undefined {
  const which = reference.kind === 'tag' ? { tag: reference.tag } : { digest: reference.digest }
  return parseDockerReference(formatImageSource({ host, repository, ...which }))
}
