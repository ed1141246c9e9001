// What a copy will be, before anything is put anywhere: of each image all manifests, and what can be told of its blobs without
// reading them. So it is known how much there is, and an image of which something is missing changes nothing at all.
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { requiredBlobs } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { ImageSource } from './image-source.ts'
import type { ImageTarget } from './image-target.ts'
import type { Closure } from './read-closure.ts'
import { tryAgain } from './try-again.ts'

export interface ForeseeParts {
  readonly source: ImageSource
  readonly target: ImageTarget
  readonly signal: AbortSignal | undefined
}

interface Ends {
  readonly from: { readonly repository: RepositoryName | undefined }
  readonly to: { readonly repository: RepositoryName }
}

/** An image whose manifests were read, or what that failed with. */
export interface Foreseen {
  readonly closure?: Closure
  /** Why it cannot be copied. */
  readonly error?: unknown
  /** What may go over for it, each once. */
  readonly blobs: readonly Descriptor[]
  /** Those of them without which it is not whole. */
  readonly own: readonly Descriptor[]
}

export class Foresight {
  readonly #parts: ForeseeParts
  /** Of a repository of the source, what is known to be right as far as that can be told. */
  readonly #checked = new Map<string, Promise<void>>()

  constructor(parts: ForeseeParts) {
    this.#parts = parts
  }

  /** Throws the signal's reason only. */
  async look({ from, to }: Ends, read: () => Promise<Closure>): Promise<Foreseen> {
    let closure: Closure | undefined
    try {
      closure = await read()
      return { closure, ...(await this.#examine(from.repository, to.repository, closure)) }
    } catch (error) {
      this.#parts.signal?.throwIfAborted()
      return { ...(closure && { closure }), error, blobs: [], own: [] }
    }
  }

  /** Throws what the source says of a blob that it does not have, or that cannot be right, where the target has it not either. */
  async #examine(
    from: RepositoryName | undefined,
    to: RepositoryName,
    { manifests, followers }: Closure,
  ): Promise<Pick<Foreseen, 'blobs' | 'own'>> {
    const needed = new Map<Digest, Descriptor>()
    for (const { digest, manifest } of manifests) {
      if (await this.#has(to, digest)) continue
      for (const blob of requiredBlobs(manifest)) {
        if (needed.has(blob.digest)) continue
        needed.set(blob.digest, blob)
        await this.#check(from, to, blob)
      }
    }
    const own = [...needed.values()]
    // One of these that is not right is no reason to leave out what it is about.
    for (const { manifest } of followers) for (const blob of requiredBlobs(manifest)) needed.set(blob.digest, blob)
    return { blobs: [...needed.values()], own }
  }

  #has(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const { target, signal } = this.#parts
    return tryAgain(() => target.hasManifest(repository, digest, { signal }), signal)
  }

  async #check(from: RepositoryName | undefined, to: RepositoryName, blob: Descriptor): Promise<void> {
    const { source, target, signal } = this.#parts
    if (source.checkBlob === undefined) return
    const key = `${from ?? ''}@${blob.digest} ${blob.size}`
    const checking = this.#checked.get(key) ?? source.checkBlob(from, blob, { signal })
    this.#checked.set(key, checking)
    try {
      await checking
    } catch (error) {
      signal?.throwIfAborted()
      if (!(await target.hasBlob(to, blob, { signal }))) throw error
    }
  }
}
