// Which repositories are here, and what makes one. distribution 2.8 knows a repository by `_layers`, 3.x by
// `_manifests`, and each one's collector fails where the other's is missing: so Tarn makes both at once.
import { readdir } from 'node:fs/promises'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Durable } from './durable.ts'
import type { Layout } from './layout.ts'
import { childOf } from './layout.ts'
import { directoryIdentity, isNotThere } from './stamp.ts'

export class Repositories {
  readonly #layout: Layout
  readonly #durable: Durable

  constructor(layout: Layout, durable: Durable) {
    this.#layout = layout
    this.#durable = durable
  }

  /** Makes the directories of a repository that is about to hold its first thing. */
  async ensure(name: RepositoryName): Promise<void> {
    await this.#durable.ensureDirectory(this.#layout.layers(name))
    await this.#durable.ensureDirectory(this.#layout.revisions(name))
    await this.#durable.ensureDirectory(this.#layout.tags(name))
  }

  exists(name: RepositoryName): boolean {
    return (
      directoryIdentity(this.#layout.layers(name)) !== undefined ||
      directoryIdentity(this.#layout.revisions(name)) !== undefined
    )
  }

  /** The names that come after `last`, in the order of their bytes, read as the caller takes them. */
  names(last = ''): AsyncGenerator<RepositoryName> {
    return this.#walk([this.#layout.repositories], '', last, (name) => this.exists(name))
  }

  /** The names under which uploads are or were under way, though nothing may have been stored there. */
  withUploads(): AsyncGenerator<RepositoryName> {
    const holds = (name: RepositoryName): boolean => directoryIdentity(this.#layout.uploads(name)) !== undefined
    return this.#walk([this.#layout.repositories], '', '', holds)
  }

  // Byte order over whole names needs care with "/": "p-q" comes before "p/b" although "p" comes before
  // "p-q". So each child stands twice among its siblings, as "p" (the repository itself) and as "p/" (what
  // is below it), and the two are sorted with the rest.
  async *#walk(
    // The directory and those above it: a link to one of them would have no end.
    directories: readonly string[],
    prefix: string,
    last: string,
    holds: (name: RepositoryName) => boolean,
  ): AsyncGenerator<RepositoryName> {
    const steps: { readonly key: string; readonly entry: string; readonly below: boolean }[] = []
    const directory = directories.at(-1) ?? ''
    for (const entry of await listDirectories(directory, directories)) {
      // Nothing below what is no name can be one; a link to itself ends here, at 255 characters.
      if (!isRepositoryName(prefix + entry)) continue
      steps.push({ key: entry, entry, below: false }, { key: `${entry}/`, entry, below: true })
    }
    steps.sort((a, b) => compare(a.key, b.key))
    for (const { entry, below } of steps) {
      const name = (prefix + entry) as RepositoryName
      if (below) {
        // All names below begin with `name/`; they can only come after `last` if that is not past them all.
        if (compare(`${name}0`, last) > 0)
          yield* this.#walk([...directories, childOf(directory, entry)], `${name}/`, last, holds)
      } else if (compare(name, last) > 0 && holds(name)) {
        yield name
      }
    }
  }
}

/** The order of bytes; names, tags and digests are ASCII, where it is that of UTF-16 units. */
export function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/**
 * The subdirectories of `path` (links to directories too, but not to one of `above`), unsorted; none when it does not
 * exist.
 */
export async function listDirectories(path: string, above: readonly string[] = []): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isDirectory() || (entry.isSymbolicLink() && leadsOn(childOf(path, entry.name), above)))
      .map((entry) => entry.name)
  } catch (error) {
    if (isNotThere(error)) return []
    throw error
  }
}

function leadsOn(link: string, above: readonly string[]): boolean {
  const identity = directoryIdentity(link)
  return identity !== undefined && above.every((directory) => directoryIdentity(directory) !== identity)
}
