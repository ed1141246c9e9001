// The tree of docker/distribution (`docker/registry/v2/…`) in a directory or in tars, as a place to read images from: data
// directories of registries, and the archives of oc-mirror, which are such trees in several tars.
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { ALGORITHMS, algorithmOf, digestOf, hexOf, isDigest, joinDigest } from '../oci/digest.ts'
import { readManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import type { BlobPieces } from './blob-bytes.ts'
import { findPieces, openPieces } from './blob-bytes.ts'
import { checkFile } from './check-file.ts'
import type { FileTree } from './file-tree.ts'
import { UnreadableTree, readSmall } from './file-tree.ts'
import type { ImageManifest, ImageSource, SourceImage } from './image-source.ts'

const LARGEST_MANIFEST = 4 * 1024 * 1024
const LONGEST_LINK = 256
const DEEPEST = 32
const BLOBS = 'docker/registry/v2/blobs'
const REPOSITORIES = 'docker/registry/v2/repositories'

/** Closing it closes the trees. A later tree's links count where two have one. Throws an UnreadableTree when none has such a tree. */
export async function distributionSource(trees: readonly FileTree[], name: string): Promise<ImageSource> {
  const newestFirst = trees.toReversed()
  const repositories = new Set<RepositoryName>()
  for (const tree of trees) await findRepositories(tree, '', repositories)
  if (repositories.size === 0)
    throw new UnreadableTree(`${name} has no images of a registry: ${REPOSITORIES} is not in it, or empty`)
  const findBlob = (digest: Digest): Promise<BlobPieces | undefined> =>
    findPieces(newestFirst, `${BLOBS}/${algorithmOf(digest)}/${hexOf(digest).slice(0, 2)}/${hexOf(digest)}`)
  const needBlob = async (repository: RepositoryName | undefined, digest: Digest): Promise<BlobPieces> => {
    const link = `${REPOSITORIES}/${repository}/_layers/${algorithmOf(digest)}/${hexOf(digest)}/link`
    const aliased = await readLink(link)
    const found = (await findBlob(digest)) ?? (aliased && (await findBlob(aliased)))
    if (found) return found
    throw new UnreadableTree(`${digest} is not in ${name}`, {
      hint: 'an archive that holds only what is new needs the ones before it: import those first, or with it',
    })
  }
  const readLink = async (path: string): Promise<Digest | undefined> => {
    for (const tree of newestFirst) {
      const text = (await readSmall(tree, path, LONGEST_LINK))?.toString('latin1').trim()
      if (text !== undefined && isDigest(text)) return text
    }
    return undefined
  }
  const revision = (repository: RepositoryName, digest: Digest): Promise<Digest | undefined> =>
    readLink(`${REPOSITORIES}/${repository}/_manifests/revisions/${algorithmOf(digest)}/${hexOf(digest)}/link`)
  const readByDigest = async (repository: RepositoryName, digest: Digest): Promise<ImageManifest | undefined> => {
    const found = (await revision(repository, digest)) === undefined ? undefined : await findBlob(digest)
    // No bundle cuts a manifest.
    const [piece] = found ?? []
    const bytes = piece && (await readSmall(piece.tree, piece.path, LARGEST_MANIFEST))
    if (bytes === undefined) return undefined
    if (digestOf(bytes, algorithmOf(digest)) !== digest)
      throw new UnreadableTree(`${piece?.tree.name}: the bytes of ${digest} have another digest`)
    return { bytes, digest, mediaType: readManifest(bytes).mediaType }
  }
  const tagLink = (repository: RepositoryName, tag: Tag): Promise<Digest | undefined> =>
    readLink(`${REPOSITORIES}/${repository}/_manifests/tags/${tag}/current/link`)
  const listDigests = async (repository: RepositoryName): Promise<ReadonlySet<Digest>> => {
    const digests = new Set<Digest>()
    for (const algorithm of ALGORITHMS) {
      for (const hex of await listAll(trees, `${REPOSITORIES}/${repository}/_manifests/revisions/${algorithm}`)) {
        const digest = joinDigest(algorithm, hex)
        if (digest !== undefined) digests.add(digest)
      }
    }
    return digests
  }
  const referrers = new Map<RepositoryName, Promise<ReadonlyMap<Digest, readonly Descriptor[]>>>()
  return {
    name,
    async *images() {
      for (const repository of repositories) {
        const belonging = new Set<Digest>()
        for (const tag of await listAll(trees, `${REPOSITORIES}/${repository}/_manifests/tags`)) {
          const digest = isTag(tag) ? await tagLink(repository, tag) : undefined
          if (!isTag(tag) || digest === undefined) continue
          belonging.add(digest)
          yield { repository, tag, digest }
        }
        yield* listLoose(repository, await listDigests(repository), belonging, (digest) =>
          readByDigest(repository, digest),
        )
      }
    },
    async readManifest(repository, reference) {
      if (repository === undefined) return undefined
      const digest = reference.kind === 'digest' ? reference.digest : await tagLink(repository, reference.tag)
      return digest && readByDigest(repository, digest)
    },
    async openBlob(repository, { digest }) {
      return openPieces(await needBlob(repository, digest))
    },
    async checkBlob(repository, blob) {
      const [{ tree, path }, ...more] = await needBlob(repository, blob.digest)
      // Of slices their presence is what can be told.
      if (more.length === 0) await checkFile(tree, path, blob)
    },
    async listReferrers(repository, digest) {
      if (repository === undefined) return []
      const known = referrers.get(repository) ?? findReferrers(await listDigests(repository), repository, readByDigest)
      referrers.set(repository, known)
      return (await known).get(digest) ?? []
    },
    async close() {
      for (const tree of trees) await tree.close()
    },
  }
}

async function listAll(trees: readonly FileTree[], path: string): Promise<readonly string[]> {
  const names = new Set<string>()
  for (const tree of trees) for (const name of (await tree.list(path)).keys()) names.add(name)
  return [...names].toSorted()
}

async function findRepositories(tree: FileTree, name: string, found: Set<RepositoryName>): Promise<void> {
  if (name.split('/').length > DEEPEST) return
  const entries = await tree.list(name === '' ? REPOSITORIES : `${REPOSITORIES}/${name}`)
  if (isRepositoryName(name) && entries.get('_manifests')?.kind === 'directory') found.add(name)
  for (const [child, { kind }] of entries) {
    const below = name === '' ? child : `${name}/${child}`
    if (kind === 'directory' && isRepositoryName(below)) await findRepositories(tree, below, found)
  }
}

async function findReferrers(
  digests: ReadonlySet<Digest>,
  repository: RepositoryName,
  read: (repository: RepositoryName, digest: Digest) => Promise<ImageManifest | undefined>,
): Promise<ReadonlyMap<Digest, readonly Descriptor[]>> {
  const found = new Map<Digest, Descriptor[]>()
  for (const digest of digests) {
    const stored = await read(repository, digest).catch(() => undefined)
    const manifest = stored && readManifest(stored.bytes)
    if (stored === undefined || manifest?.subject === undefined) continue
    const { mediaType, subject } = manifest
    const descriptor = { mediaType, digest, size: stored.bytes.byteLength }
    found.set(subject.digest, [...(found.get(subject.digest) ?? []), descriptor])
  }
  return found
}

/** Manifests without a tag that no index names and that are about no other manifest. */
async function* listLoose(
  repository: RepositoryName,
  digests: ReadonlySet<Digest>,
  tagged: ReadonlySet<Digest>,
  read: (digest: Digest) => Promise<ImageManifest | undefined>,
): AsyncGenerator<SourceImage> {
  const belonging = new Set(tagged)
  for (const digest of digests) {
    const stored = await read(digest).catch(() => undefined)
    const { manifests = [], subject } = (stored && readManifest(stored.bytes)) ?? {}
    for (const child of manifests) belonging.add(child.digest)
    if (subject !== undefined || stored === undefined) belonging.add(digest)
  }
  for (const digest of digests) if (!belonging.has(digest)) yield { repository, digest }
}
