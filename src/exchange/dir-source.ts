// The directory that `oc … --to-dir` and `file://` write (DIR/v2/REPOSITORY/{blobs,manifests}) as a place to read images from.
// Media and programs on its way may have taken its links, and the ":" of its names: what can be known without them is.
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, digestOf, hexOf, joinDigest } from '../oci/digest.ts'
import { readManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import { checkFile } from './check-file.ts'
import type { FileTree } from './file-tree.ts'
import { UnreadableTree, readSmall } from './file-tree.ts'
import type { ImageManifest, ImageSource, SourceImage } from './image-source.ts'

const LARGEST_MANIFEST = 4 * 1024 * 1024
const LONGEST_LINK = 256
const DEEPEST = 16
// How ":" comes out of file systems and programs that cannot write it.
const COLONS = [':', '-', '_', '%3A', '%3a', '\uf03a', '\uff1a', '+', '.', '']
const DIGEST_NAME = /^(sha256|sha512)(?::|-|_|%3A|\uf03a|\uff1a|\+|\.)?([0-9a-f]+)$/i

interface Repository {
  /** Where it lies in the tree. */
  readonly path: string
  readonly tags: ReadonlyMap<Tag, Digest>
  /** Manifests that lie there by their digests. */
  readonly manifests: ReadonlySet<Digest>
}

export interface DirSource extends ImageSource {
  /** Repositories that have images and not one tag: on its way the links were lost. */
  readonly untagged: readonly RepositoryName[]
}

/** Closing it closes the tree. Throws an UnreadableTree when there is no such layout. */
export async function dirSource(tree: FileTree, name: string): Promise<DirSource> {
  const repositories = new Map<RepositoryName, Repository>()
  // People name the directory itself, the one above it, or the one that a tar put around it.
  for (const root of ['v2', 'mirror/v2', '']) {
    if (repositories.size === 0) await findRepositories(tree, root, '', repositories)
  }
  if (repositories.size === 0)
    throw new UnreadableTree(`${name} is no directory that oc wrote: v2/REPOSITORY/manifests is not in it`)
  const need = (repository: RepositoryName | undefined): Repository | undefined =>
    repository === undefined ? undefined : repositories.get(repository)
  const needPlace = async (repository: RepositoryName | undefined, digest: Digest): Promise<string> => {
    const found = need(repository)
    const place = found && (await findPlace(tree, found, digest, ['blobs', 'manifests']))
    if (place === undefined) throw new UnreadableTree(`${tree.name}: ${digest} is not in it`)
    return place
  }
  return {
    name,
    untagged: [...repositories].flatMap(([each, { tags, manifests }]) =>
      tags.size === 0 && manifests.size > 0 ? [each] : [],
    ),
    async *images() {
      for (const [repository, found] of repositories) yield* listImages(tree, repository, found)
    },
    async readManifest(repository, reference) {
      const found = need(repository)
      const digest = reference.kind === 'digest' ? reference.digest : found?.tags.get(reference.tag)
      return found && digest && readByDigest(tree, found, digest)
    },
    openBlob: async (repository, { digest }) => tree.open(await needPlace(repository, digest)),
    checkBlob: async (repository, blob) => checkFile(tree, await needPlace(repository, blob.digest), blob),
    listReferrers: async () => [],
    close: () => tree.close(),
  }
}

async function findRepositories(
  tree: FileTree,
  root: string,
  name: string,
  found: Map<RepositoryName, Repository>,
): Promise<void> {
  const path = [root, name].filter((part) => part !== '').join('/')
  const entries = await tree.list(path)
  if (isRepositoryName(name) && entries.get('manifests')?.kind === 'directory' && entries.has('blobs')) {
    found.set(name, await readRepository(tree, path))
    return
  }
  if (name.split('/').length >= DEEPEST) return
  for (const [child, entry] of entries) {
    const below = name === '' ? child : `${name}/${child}`
    if (entry.kind === 'directory' && isRepositoryName(below)) await findRepositories(tree, root, below, found)
  }
}

async function readRepository(tree: FileTree, path: string): Promise<Repository> {
  const tags = new Map<Tag, Digest>()
  const manifests = new Set<Digest>()
  for (const [name, entry] of await tree.list(`${path}/manifests`)) {
    // What a run that was ended leaves.
    if (name.endsWith('.download') || name.startsWith('.')) continue
    // Only a tag is a link; there are tags that look like a digest without its colon.
    const digest = entry.kind === 'link' && isTag(name) ? undefined : digestNamed(name)
    if (digest !== undefined) manifests.add(digest)
    else if (isTag(name)) {
      const meant =
        entry.kind === 'link'
          ? digestNamed(entry.to.split(/[/\\]/).at(-1) ?? '')
          : await readLostLink(tree, `${path}/manifests/${name}`)
      if (meant !== undefined) tags.set(name, meant)
    }
  }
  return { path, tags, manifests }
}

/** What a file means that was a link: it holds the manifest, or the text of the link. */
async function readLostLink(tree: FileTree, path: string): Promise<Digest | undefined> {
  const bytes = await readSmall(tree, path, LARGEST_MANIFEST)
  if (bytes === undefined) return undefined
  const text = bytes.length <= LONGEST_LINK ? bytes.toString('latin1').trim() : ''
  return digestNamed(text.split(/[/\\]/).at(-1) ?? '') ?? digestOf(bytes)
}

function digestNamed(name: string): Digest | undefined {
  const [, algorithm = '', hex = ''] = DIGEST_NAME.exec(name) ?? []
  return joinDigest(algorithm.toLowerCase(), hex.toLowerCase())
}

async function findPlace(
  tree: FileTree,
  { path }: Repository,
  digest: Digest,
  directories: readonly string[],
): Promise<string | undefined> {
  for (const directory of directories) {
    for (const colon of COLONS) {
      const place = `${path}/${directory}/${algorithmOf(digest)}${colon}${hexOf(digest)}`
      if ((await tree.size(place)) !== undefined) return place
    }
  }
  return undefined
}

async function readByDigest(
  tree: FileTree,
  repository: Repository,
  digest: Digest,
): Promise<ImageManifest | undefined> {
  const place = await findPlace(tree, repository, digest, ['manifests', 'blobs'])
  const bytes =
    place === undefined ? await readUnderTag(tree, repository, digest) : await readSmall(tree, place, LARGEST_MANIFEST)
  if (bytes === undefined) return undefined
  if (digestOf(bytes, algorithmOf(digest)) !== digest)
    throw new UnreadableTree(`${tree.name}: the bytes of ${place ?? digest} have another digest`)
  return { bytes, digest, mediaType: readManifest(bytes).mediaType }
}

/** Where only the file of a tag came over. */
async function readUnderTag(tree: FileTree, { path, tags }: Repository, digest: Digest): Promise<Buffer | undefined> {
  for (const [tag, meant] of tags) {
    if (meant !== digest) continue
    const bytes = await readSmall(tree, `${path}/manifests/${tag}`, LARGEST_MANIFEST)
    if (bytes !== undefined && digestOf(bytes) === digest) return bytes
  }
  return undefined
}

async function* listImages(tree: FileTree, repository: RepositoryName, found: Repository): AsyncGenerator<SourceImage> {
  const belonging = new Set<Digest>()
  for (const [tag, digest] of found.tags) {
    belonging.add(digest)
    yield { repository, tag, digest }
  }
  for (const digest of new Set([...found.manifests, ...found.tags.values()])) {
    const stored = await readByDigest(tree, found, digest).catch(() => undefined)
    const { manifests = [], subject } = (stored && readManifest(stored.bytes)) ?? {}
    for (const child of manifests) belonging.add(child.digest)
    if (subject !== undefined) belonging.add(digest)
  }
  for (const digest of found.manifests) if (!belonging.has(digest)) yield { repository, digest }
}
