// A data directory as it lies on the disk, read without any code of Tarn: what repositories hold, and which blobs are
// there. For computing what a collection must keep, and for comparing what it left.
import type { Dirent } from 'node:fs'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { V2, blobFile } from './files.ts'

export interface RepositoryTree {
  readonly name: string
  /** Digest of the path -> content, of `_layers` and of `_manifests/revisions`. */
  readonly layers: ReadonlyMap<string, string>
  readonly revisions: ReadonlyMap<string, string>
  /** Tag -> content of `current/link`; undefined when it has none. */
  readonly tags: ReadonlyMap<string, string | undefined>
  /** `tag digest` of every link in `tags/<tag>/index`. */
  readonly history: ReadonlySet<string>
  readonly uploads: number
  /** Files in it that are no links: somebody's. */
  readonly strays: number
}

export interface Tree {
  readonly repositories: ReadonlyMap<string, RepositoryTree>
  readonly blobs: ReadonlySet<string>
  readonly trashed: ReadonlySet<string>
}

const OWN = ['_layers', '_manifests', '_uploads']

/** Reads all of it. What does not belong is stepped over. */
export function readTree(data: string): Tree {
  const repositories = new Map<string, RepositoryTree>()
  const visit = (prefix: string): void => {
    const folders = list(join(data, V2, 'repositories', prefix)).filter((entry) => entry.isDirectory())
    if (prefix !== '' && folders.some((entry) => OWN.includes(entry.name))) {
      repositories.set(prefix, readRepository(data, prefix))
    }
    for (const { name } of folders) if (!name.startsWith('_')) visit(prefix === '' ? name : `${prefix}/${name}`)
  }
  visit('')
  return { repositories, ...readBlobs(data) }
}

function readBlobs(data: string): Pick<Tree, 'blobs' | 'trashed'> {
  const found = { blobs: new Set<string>(), trashed: new Set<string>() }
  const root = join(data, V2, 'blobs')
  for (const algorithm of ['sha256', 'sha512']) {
    for (const shard of list(join(root, algorithm))) {
      for (const { name } of list(join(root, algorithm, shard.name))) {
        const digest = `${algorithm}:${name}`
        if (existsSync(blobFile(data, digest))) found.blobs.add(digest)
        if (existsSync(blobFile(data, digest, 'trashed'))) found.trashed.add(digest)
      }
    }
  }
  return found
}

function readRepository(data: string, name: string): RepositoryTree {
  const folder = join(data, V2, 'repositories', name)
  const tags = new Map<string, string | undefined>()
  const history = new Set<string>()
  for (const entry of list(join(folder, '_manifests/tags'))) {
    if (!entry.isDirectory()) continue
    const tag = join(folder, '_manifests/tags', entry.name)
    tags.set(entry.name, readText(join(tag, 'current/link')))
    for (const digest of readLinks(join(tag, 'index')).keys()) history.add(`${entry.name} ${digest}`)
  }
  return {
    name,
    layers: readLinks(join(folder, '_layers')),
    revisions: readLinks(join(folder, '_manifests/revisions')),
    tags,
    history,
    uploads: list(join(folder, '_uploads')).length,
    strays: countStrays(join(folder, '_layers')) + countStrays(join(folder, '_manifests')),
  }
}

function countStrays(folder: string): number {
  if (!existsSync(folder)) return 0
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => !entry.isDirectory() && entry.name !== 'link').length
}

function readLinks(folder: string): Map<string, string> {
  const links = new Map<string, string>()
  for (const algorithm of ['sha256', 'sha512']) {
    for (const { name } of list(join(folder, algorithm))) {
      const text = readText(join(folder, algorithm, name, 'link'))
      if (text !== undefined) links.set(`${algorithm}:${name}`, text)
    }
  }
  return links
}

function readText(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

function list(folder: string): Dirent[] {
  return existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : []
}
