// What must be left of a data directory when everything in it is old enough to go, worked out by the rules of
// docs/formats and of nothing else: plain sets, each rule as one loop, no thought of speed. Shares no code with Tarn.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { blobFile } from './files.ts'
import type { RepositoryTree, Tree } from './tree.ts'

export interface Expected {
  readonly repositories: ReadonlyMap<string, RepositoryTree>
  readonly blobs: ReadonlySet<string>
  /** Blobs that kept manifests name by a sha512 alias alone: distribution's collector does not see these. */
  readonly aliases: ReadonlySet<string>
  /** Names of repositories that are left as they are, because something in them cannot be read. */
  readonly broken: ReadonlySet<string>
}

interface Named {
  readonly blobs: readonly string[]
  readonly children: readonly string[]
  readonly subject: string | undefined
}

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

/** Computes it from the tree before the collection; `untagged`: manifests go to which nothing leads. */
export function expectLeft(data: string, tree: Tree, untagged: boolean): Expected {
  const repositories = new Map<string, RepositoryTree>()
  const marked = new Set<string>()
  const byAlias = new Set<string>()
  const byName = new Set<string>()
  const broken = new Set<string>()
  for (const repository of tree.repositories.values()) {
    const manifests = readManifests(data, repository)
    if (manifests === undefined) {
      broken.add(repository.name)
      repositories.set(repository.name, repository)
      for (const digest of nameAll(data, repository)) marked.add(digest)
      continue
    }
    const kept = keepManifests(repository, manifests, untagged)
    const needed = new Set<string>()
    // Of this repository alone: its links do not depend on what others need.
    const own = new Set<string>()
    for (const digest of kept) {
      own.add(repository.revisions.get(digest) ?? digest)
      const { blobs = [], children = [] } = manifests.get(digest) ?? {}
      for (const name of [...blobs, ...children]) {
        const stored = repository.layers.get(name) ?? name
        needed.add(name)
        own.add(DIGEST.test(stored) ? stored : name)
        ;(stored === name ? byName : byAlias).add(stored)
      }
    }
    for (const digest of own) marked.add(digest)
    // A second name of the same bytes stays with the first.
    const layers = new Map([...repository.layers].filter(([digest, text]) => needed.has(digest) || own.has(text)))
    const left = {
      ...repository,
      layers,
      revisions: new Map([...repository.revisions].filter(([digest]) => kept.has(digest))),
      tags: new Map([...repository.tags].filter(([, text]) => text !== undefined)),
      history: new Set([...repository.history].filter((entry) => kept.has(entry.split(' ')[1] ?? ''))),
    }
    if (left.layers.size + left.revisions.size + left.tags.size + left.uploads > 0) repositories.set(left.name, left)
  }
  return {
    repositories,
    blobs: new Set([...tree.blobs].filter((digest) => marked.has(digest))),
    aliases: new Set([...byAlias].filter((digest) => !byName.has(digest))),
    broken,
  }
}

/** All manifests of a repository; undefined when it is broken, so that nothing in it can be judged. */
function readManifests(data: string, repository: RepositoryTree): Map<string, Named> | undefined {
  const manifests = new Map<string, Named>()
  for (const text of repository.tags.values()) if (text !== undefined && !DIGEST.test(text)) return undefined
  // What a torn alias led to nobody can tell.
  for (const [digest, text] of repository.layers)
    if (digest.startsWith('sha512:') && !DIGEST.test(text)) return undefined
  for (const [digest, text] of repository.revisions) {
    const named = DIGEST.test(text) ? readManifest(data, digest, text) : undefined
    if (named === undefined) return undefined
    manifests.set(digest, named)
  }
  for (const target of repository.tags.values()) {
    const named = target === undefined || manifests.has(target) ? undefined : readManifest(data, target, target)
    if (named !== undefined && target !== undefined) manifests.set(target, named)
  }
  return manifests
}

function readManifest(data: string, digest: string, stored: string): Named | undefined {
  const path = blobFile(data, stored)
  if (!existsSync(path)) return undefined
  const bytes = readFileSync(path)
  const [algorithm = '', hex] = digest.split(':')
  if (createHash(algorithm).update(bytes).digest('hex') !== hex) return undefined
  const {
    config,
    layers = [],
    manifests = [],
    subject,
  } = JSON.parse(bytes.toString()) as {
    config?: { digest: string }
    layers?: { digest: string }[]
    manifests?: { digest: string }[]
    subject?: { digest: string }
  }
  const blobs = [...(config === undefined ? [] : [config]), ...layers].map((part) => part.digest)
  return { blobs, children: manifests.map((child) => child.digest), subject: subject?.digest }
}

function keepManifests(
  { revisions, tags }: RepositoryTree,
  manifests: ReadonlyMap<string, Named>,
  untagged: boolean,
): Set<string> {
  const kept = new Set([...tags.values()].filter((text) => text !== undefined))
  if (!untagged) for (const digest of revisions.keys()) kept.add(digest)
  for (let before = -1; before !== kept.size;) {
    before = kept.size
    for (const [digest, { children, subject }] of manifests) {
      if (kept.has(digest)) for (const child of children) if (revisions.has(child)) kept.add(child)
      if (subject !== undefined && kept.has(subject) && revisions.has(digest)) kept.add(digest)
    }
  }
  return kept
}

/** Everything that a path or a link of a broken repository names, and what its readable manifests name. */
function nameAll(data: string, { layers, revisions, tags, history }: RepositoryTree): Set<string> {
  const named = new Set<string>()
  for (const [digest, text] of [...layers, ...revisions]) named.add(digest).add(text)
  for (const text of tags.values()) if (text !== undefined) named.add(text)
  for (const entry of history) named.add(entry.split(' ')[1] ?? '')
  for (const [digest, text] of revisions) {
    const manifest = readManifest(data, digest, DIGEST.test(text) ? text : digest)
    for (const part of [...(manifest?.blobs ?? []), ...(manifest?.children ?? [])]) {
      named.add(part).add(layers.get(part) ?? part)
    }
  }
  return named
}
