// The links by which a repository may serve a blob (`_layers`). The content of a link is the authority,
// not its path: distribution stores a blob that was pushed by sha512 under its sha256 and links both.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Durable } from './durable.ts'
import type { Layout } from './layout.ts'
import type { LinkPromises } from './link-promises.ts'
import type { LinkReader } from './link.ts'

export class Links {
  readonly #layout: Layout
  readonly #durable: Durable
  readonly #reader: LinkReader
  readonly #promises: LinkPromises

  constructor(layout: Layout, durable: Durable, reader: LinkReader, promises: LinkPromises) {
    this.#layout = layout
    this.#durable = durable
    this.#reader = reader
    this.#promises = promises
  }

  /** The digest under whose name the bytes are stored; undefined when the repository does not hold the blob. */
  resolve(name: RepositoryName, digest: Digest): Digest | undefined {
    return this.#reader.read(this.#layout.layerLink(name, digest))
  }

  /** Makes a link that an answer is going to promise survive a power cut; false when it is not here. */
  async hold(name: RepositoryName, digest: Digest): Promise<boolean> {
    return (await this.#durable.hold(this.#layout.layerLink(name, digest))) !== undefined
  }

  /** Lets the repository serve `digest`, whose bytes are stored under `stored`. */
  async add(name: RepositoryName, digest: Digest, stored: Digest = digest): Promise<void> {
    await writeLink(this.#durable, this.#reader, this.#layout.layerLink(name, digest), stored)
  }

  /** Makes the promise that the repository holds `digest` outlive this process. */
  async promise(name: RepositoryName, digest: Digest): Promise<void> {
    await this.#promises.touch(this.#layout.layerLink(name, digest))
  }

  /**
   * Takes that right away again; false when there was none, or `mayGo` says no, which is asked in one step with the act.
   * The bytes stay: collection frees them (I6).
   */
  async remove(name: RepositoryName, digest: Digest, mayGo?: () => boolean): Promise<boolean> {
    return this.#durable.remove(this.#layout.layerLink(name, digest), undefined, mayGo)
  }
}

/** Makes the link at `path` hold `digest`; an equal one is only made durable. */
export async function writeLink(durable: Durable, reader: LinkReader, path: string, digest: Digest): Promise<void> {
  if (holds(reader, path, digest) && (await durable.hold(path)) !== undefined) return
  await durable.writeSmall('link', path, digest)
}

// A link that the disk does not give any more is one to be written anew.
function holds(reader: LinkReader, path: string, digest: Digest): boolean {
  try {
    return reader.read(path) === digest
  } catch {
    return false
  }
}
