// distribution's own collector, run over a directory that nobody serves, always with --dry-run: what would it
// delete? And what it ought to delete, computed from the ledger, with the habits of each version.
import type { Machine } from '../helpers/machine.ts'
import type { Held, Ledger } from './ledger.ts'

export interface Collection {
  /** Digests. */
  readonly blobs: Set<string>
  readonly manifests: Set<string>
  /** The line that it ends with. */
  readonly summary: string
}

/** Runs `garbage-collect --dry-run`, with `untagged` also -m; throws unless it exits with 0. */
export async function collectDry(
  machine: Machine,
  binary: string,
  configFile: string,
  untagged: boolean,
): Promise<Collection> {
  const flags = ['--dry-run', ...(untagged ? ['--delete-untagged'] : [])]
  const { text } = await machine.run(binary, ['garbage-collect', ...flags, configFile], {
    env: { OTEL_TRACES_EXPORTER: 'none' },
  })
  const summary = /^\d+ blobs marked.*$/m.exec(text)?.[0]
  if (summary === undefined) throw new Error(`garbage-collect without its last line: ${text.slice(-500)}`)
  // 2.8 names the digest alone, 3.x `{repository digest []}` for manifests.
  const digests = (kind: string): Set<string> =>
    new Set(
      [...text.matchAll(new RegExp(`${kind} eligible for deletion: .*?(sha\\d+:[0-9a-f]+)`, 'g'))].map(
        (match) => match[1] ?? '',
      ),
    )
  return { blobs: digests('blob'), manifests: digests('manifest'), summary }
}

/**
 * What -m takes by the rules of that version: revisions that no tag points to (2.8 counts the children of
 * a tagged list among them, 3.x keeps those), and every blob that no kept revision names. `deleted` are digests whose
 * bytes are still there though the ledger has forgotten them.
 */
export function expectCollection(
  ledger: Ledger,
  options: { untagged: boolean; keepsChildren: boolean; deleted?: readonly string[] },
): Collection {
  const manifests = new Set<string>()
  const marked = new Set<string>()
  const all = new Set(options.deleted)
  for (const repository of ledger.values()) {
    const roots = new Set(options.untagged ? repository.tags.values() : repository.manifests.keys())
    const kept = options.keepsChildren ? addChildren(roots, repository.manifests) : roots
    for (const [digest, held] of repository.manifests) {
      all.add(digest)
      if (!kept.has(digest)) manifests.add(digest)
      else for (const part of [digest, ...namedBy(held)]) marked.add(part)
    }
    for (const digest of repository.blobs.keys()) all.add(digest)
  }
  return {
    manifests,
    blobs: new Set([...all].filter((digest) => !marked.has(digest))),
    summary: 'expected',
  }
}

function addChildren(roots: ReadonlySet<string>, manifests: ReadonlyMap<string, Held>): Set<string> {
  const found = new Set(roots)
  for (const digest of found) {
    const held = manifests.get(digest)
    for (const child of held === undefined ? [] : childrenOf(held)) found.add(child)
  }
  return found
}

interface Named {
  readonly config?: { digest: string }
  readonly layers?: { digest: string }[]
  readonly manifests?: { digest: string }[]
}

function childrenOf(held: Held): string[] {
  return (JSON.parse(held.bytes.toString()) as Named).manifests?.map((child) => child.digest) ?? []
}

function namedBy(held: Held): string[] {
  const { config, layers = [], manifests = [] } = JSON.parse(held.bytes.toString()) as Named
  return [...(config === undefined ? [] : [config]), ...layers, ...manifests].map((part) => part.digest)
}

/** Throws one error that names what is there too much and too little. */
export function compareCollections(found: Collection, expected: Collection): void {
  const faults = (['blobs', 'manifests'] as const).flatMap((kind) => [
    ...[...found[kind]]
      .filter((digest) => !expected[kind].has(digest))
      .map((digest) => `would delete of ${kind}: ${digest}`),
    ...[...expected[kind]]
      .filter((digest) => !found[kind].has(digest))
      .map((digest) => `would keep of ${kind}: ${digest}`),
  ])
  if (faults.length > 0) throw new Error(`${found.summary}\n${faults.join('\n')}`)
}
