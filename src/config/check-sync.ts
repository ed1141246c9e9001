// What no single key of a sync file can decide: keys that mean nothing beside others, and entries that get in each
// other's way.
import type { Findings } from './check.ts'
import type { Complain } from './check-mirror.ts'
import { checkAddresses, checkCredentials } from './check-mirror.ts'
import { describeFault } from './config-error.ts'
import type { ImageSource } from './image-source.ts'
import { parseImageSource } from './image-source.ts'
import { readRegistryHost } from './registry-host.ts'
import type { WrittenEntry, WrittenSync } from './schema-sync.ts'
import type { MapNode, RawNode } from './tree.ts'
import { findNode } from './tree.ts'
import { pathOf } from './upstreams.ts'
import { imageHostOf } from './well-known.ts'

/** Adds the faults of `file`, which is right key by key, to `findings`; `root` knows the places. */
export function checkSync(file: WrittenSync, root: MapNode, findings: Findings): void {
  const list = findNode(root, ['sync'])
  const complainAt =
    (path: string, node: RawNode | undefined): Complain =>
    (key, what, hint) => {
      const where = (findNode(node, key.split('.')) ?? node ?? root).origin
      findings.faults.push({ where, path: path === '' ? key : `${path}.${key}`, what, hint })
    }
  const complain = complainAt('', root)
  if (file.sync.length === 0) complain('sync', 'nothing to sync', 'add - {from: docker.io/library/alpine}')
  checkPlatforms(findNode(root, ['defaults', 'platforms']), complainAt('defaults', findNode(root, ['defaults'])))
  checkPolicy(file.defaults, complainAt('defaults', findNode(root, ['defaults'])))
  const entries = file.sync.map((entry, index) => {
    const node = list?.kind === 'list' ? list.items[index] : undefined
    const complain = complainAt(`sync[${index}]`, node)
    // Its form was checked.
    const source = parseImageSource(entry.from) as ImageSource
    checkEntry(entry, source, complain)
    checkPlatforms(findNode(node, ['platforms']), complain)
    checkPolicy({ ...file.defaults, ...entry }, complain)
    return { entry, source, complain }
  })
  checkPruning(entries, file.defaults)
  checkRegistries(file, new Set(entries.map(({ source }) => source.host)), root, findings, complainAt)
}

function checkEntry(entry: WrittenEntry, { repository, tag, digest }: ImageSource, complain: Complain): void {
  const isImage = tag !== undefined || digest !== undefined
  if (repository !== undefined && entry.repositories.length > 0)
    complain('repositories', 'from names one repository already', 'remove it, or write only the registry as from')
  if (isImage && entry.tags !== undefined)
    complain('tags', 'from names one image already', 'remove it, or the tag or digest in from')
  if (isImage && entry.prune !== undefined)
    complain('prune', 'one image leaves nothing to prune', 'remove it, or the tag or digest in from')
  if (!isImage && entry.tag !== undefined)
    complain('tag', 'a tag for more than one image', 'write the image in from, with its tag or digest, or use tags')
}

// An empty list would take nothing, and nobody would notice.
function checkPlatforms(node: RawNode | undefined, complain: Complain): void {
  if (node?.kind === 'list' && node.items.length === 0)
    complain('platforms', 'a list without a platform', 'write all, or [linux/amd64]')
}

function checkPolicy({ onlySigned, policy }: Pick<WrittenEntry, 'onlySigned' | 'policy'>, complain: Complain): void {
  if (onlySigned === true && policy === undefined)
    complain('onlySigned', 'nothing says whose signatures count', 'add policy: policy.json')
}

interface CheckedEntry {
  readonly entry: WrittenEntry
  readonly source: ImageSource
  readonly complain: Complain
}

// What one entry brings, the pruning of another one would take away.
function checkPruning(entries: readonly CheckedEntry[], defaults: WrittenSync['defaults']): void {
  for (const { entry, source, complain } of entries) {
    const isImage = source.tag !== undefined || source.digest !== undefined
    if (isImage || (entry.prune ?? defaults.prune) === undefined) continue
    const own = destinationOf(entry, source)
    const other = entries.find((each) => each.entry !== entry && meets(own, destinationOf(each.entry, each.source)))
    if (other === undefined) continue
    const hint = 'give each a place of its own in to, or put their tags into one entry'
    complain('prune', 'another entry brings images to the same place', hint)
    return
  }
}

interface Destination {
  readonly path: string
  /** Everything below it too. */
  readonly isPrefix: boolean
}

function destinationOf({ to }: WrittenEntry, { host, repository }: ImageSource): Destination {
  const isPrefix = repository === undefined
  // As long as the mirror's configuration has no other path for the host.
  const path = pathOf({ host })
  return { path: to ?? (isPrefix ? path : `${path}/${repository}`), isPrefix }
}

function meets(one: Destination, other: Destination): boolean {
  const holds = (outer: Destination, inner: Destination): boolean =>
    outer.isPrefix && inner.path.startsWith(`${outer.path}/`)
  return one.path === other.path || holds(one, other) || holds(other, one)
}

function checkRegistries(
  { registries }: WrittenSync,
  used: ReadonlySet<string>,
  root: MapNode,
  findings: Findings,
  complainAt: (path: string, node: RawNode | undefined) => Complain,
): void {
  const seen = new Set<string>()
  for (const [name, registry] of Object.entries(registries)) {
    const node = findNode(root, ['registries', name])
    const inside = complainAt(`registries.${name}`, node)
    const host = readRegistryHost(name)
    const meant = host === undefined ? '' : imageHostOf(host)
    const where = node?.origin ?? root.origin
    const path = `registries.${name}`
    if (host === undefined) {
      const hint = 'write quay.io or "registry.example.com:5000", without https:// and without a path'
      findings.faults.push({ where, path, what: 'not the name of a registry', hint })
    } else if (seen.has(meant)) {
      findings.faults.push({ where, path, what: 'this registry is there twice', hint: 'keep one' })
    } else if (!used.has(meant)) {
      findings.warnings.push(describeFault({ where, path, what: 'no entry of sync is from this registry' }))
    }
    seen.add(meant)
    checkAddresses(registry, inside)
    checkCredentials(registry, inside)
  }
}
