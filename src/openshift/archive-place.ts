// A release in an archive: the directory that `oc … --to-dir` wrote, a data directory or a tar of one, a bundle (which is such a
// tar). Which image it is need not be said where there is only one that can be; signatures come from the archive itself.
import { createReadStream } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import { listArchives } from '../bundle/archive-files.ts'
import type { SignaturePolicy } from '../bundle/judge-signature.ts'
import { judgeSignature } from '../bundle/judge-signature.ts'
import type { BundleHead } from '../bundle/read-bundle.ts'
import { readBundleHead } from '../bundle/read-bundle.ts'
import { findDataTree } from '../exchange/data-tree.ts'
import type { DirSource } from '../exchange/dir-source.ts'
import { dirSource } from '../exchange/dir-source.ts'
import { distributionSource } from '../exchange/distribution-source.ts'
import type { FileTree } from '../exchange/file-tree.ts'
import { readSmall } from '../exchange/file-tree.ts'
import type { ImageSource, SourceImage } from '../exchange/image-source.ts'
import { openTree } from '../exchange/open-tree.ts'
import { listedSource } from '../exchange/with-fallback.ts'
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { MOST_SIGNATURE_BYTES, MOST_SIGNATURES } from '../storage/signatures.ts'
import { requireBound } from './bound-tree.ts'
import { recoverTags } from './lost-tags.ts'
import type { ReleaseRecord } from './release-record.ts'
import { LARGEST_RECORD, parseRecord, recordPath } from './release-record.ts'
import type { ArchiveKind, LocalImage } from './release-reference.ts'
import type { FoundSignature } from './signature-stores.ts'

export interface ArchivePlace {
  readonly source: ImageSource
  readonly image: LocalImage
  readonly findSignatures: (digest: Digest) => Promise<readonly FoundSignature[]>
  /** What another Tarn wrote down when it mirrored the release. */
  readonly recorded: (digest: Digest) => Promise<ReleaseRecord | undefined>
  close(): Promise<void>
}

export interface ArchiveAsk {
  readonly kind: ArchiveKind
  readonly path: string
  readonly image: LocalImage | undefined
  /** Whose bundles are taken. */
  readonly policy: SignaturePolicy
}

/**
 * Throws a Problem when there is no archive, when it is a bundle that must not be taken, and when it does not say by itself
 * which image is meant.
 */
export async function openArchive({ kind, path, image, policy }: ArchiveAsk): Promise<ArchivePlace> {
  const trees = await openTrees(kind, path, policy)
  try {
    const [tree] = trees
    const isDirectory = kind === 'dir' && tree !== undefined
    const directory = isDirectory ? await dirSource(tree, `dir:${path}`) : undefined
    const recovered = directory === undefined ? [] : await recoverAll(directory)
    const source = directory === undefined ? await distributionSource(trees, path) : listedSource(directory, recovered)
    return {
      source,
      image: image ?? (await chooseImage(source, path, recovered)),
      findSignatures: async (digest) => {
        const read = kind === 'dir' ? readConfigMaps : readStored
        return (await Promise.all(trees.map((each) => read(each, digest)))).flat()
      },
      async recorded(digest) {
        for (const tree of trees.toReversed()) {
          const bytes = await readSmall(tree, recordPath(digest), LARGEST_RECORD).catch(() => undefined)
          const record = bytes && parseRecord(bytes, digest)
          if (record !== undefined) return record
        }
        return undefined
      },
      // Closing it closes the trees.
      close: () => source.close(),
    }
  } catch (error) {
    for (const tree of trees) await tree.close()
    throw error
  }
}

async function openTrees(kind: ArchiveKind, path: string, policy: SignaturePolicy): Promise<readonly FileTree[]> {
  if (kind === 'dir') return [await openTree(path)]
  const trees: FileTree[] = []
  try {
    const files = kind === 'data' ? [{ file: path }] : await listBundles(path, policy)
    for (const { file, head } of files) {
      const tree = await openTree(file)
      trees.push(tree)
      // What is signed is the index: everything else in the file must be what it says.
      if (head !== undefined) await requireBound(tree, head)
    }
    return await Promise.all(trees.map(findDataTree))
  } catch (error) {
    for (const tree of trees) await tree.close()
    throw error
  }
}

interface JudgedFile {
  readonly file: string
  /** Of a part of a bundle, whose signature is as the policy wants it. */
  readonly head?: BundleHead
}

/** The files of bundles at `path`, older bundles first: what a newer one says of a tag counts. */
async function listBundles(path: string, policy: SignaturePolicy): Promise<readonly JudgedFile[]> {
  const found: (JudgedFile & { readonly head: BundleHead })[] = []
  const parts = new Map<string, { readonly of: number; readonly here: Set<number> }>()
  for (const file of listArchives([path])) {
    const bytes = createReadStream(file)
    try {
      const head = await readBundleHead(bytes)
      judgeSignature(head, policy)
      const { id, parts: of } = head.index
      found.push({ file, head })
      const known = parts.get(id) ?? { of, here: new Set<number>() }
      parts.set(id, { of, here: known.here.add(head.part) })
    } finally {
      bytes.destroy()
    }
  }
  for (const { of, here } of parts.values()) {
    // Only the last one says what images there are.
    if (here.has(of)) continue
    throw new Problem(`${path} lacks part ${of} of a bundle of ${of} parts, which says what its images are`, {
      hint: 'name the directory in which all of its parts lie',
    })
  }
  return found.toSorted((a, b) => a.head.index.sequence - b.head.index.sequence)
}

// `4.18.3`, `4.18.3-rc.1-x86_64`, `4.18.3-multi`: not `4.18.3-x86_64-etcd`.
const RELEASE_TAG =
  /^\d+\.\d+\.\d+(?:-(?:ec|fc|rc|alpha|beta)\.\d+)?(?:[-_](?:x86_64|amd64|aarch64|arm64|ppc64le|s390x|multi))?$/

/** The images of repositories whose tags were lost on their way here, with the tags that they had. */
async function recoverAll(directory: DirSource): Promise<readonly SourceImage[]> {
  if (directory.untagged.length === 0) return []
  const loose: SourceImage[] = []
  for await (const image of directory.images()) loose.push(image)
  const recovered: SourceImage[] = []
  for (const name of directory.untagged) {
    const own = loose.filter(({ repository }) => repository === name)
    recovered.push(...(await recoverTags(directory, name, own)).filter(({ tag }) => tag !== undefined))
  }
  return recovered
}

/** `recovered` are images with tags that the source does not list. */
async function chooseImage(source: ImageSource, path: string, recovered: readonly SourceImage[]): Promise<LocalImage> {
  const found = new Map<string, { readonly repository: RepositoryName; readonly tag: Tag; readonly digest: Digest }>()
  const take = ({ repository, tag, digest }: SourceImage): void => {
    if (repository === undefined || tag === undefined || !RELEASE_TAG.test(tag)) return
    // Two tags of one image are one release.
    if (!found.has(`${repository} ${digest}`)) found.set(`${repository} ${digest}`, { repository, tag, digest })
  }
  for await (const image of source.images()) take(image)
  for (const image of recovered) take(image)
  const [only, ...more] = found.values()
  if (only === undefined) {
    throw new Problem(`no image in ${path} has the tag of a release`, {
      hint: 'name the release image in it: --image REPOSITORY:TAG',
    })
  }
  if (more.length > 0) {
    const names = [only, ...more].map(({ repository, tag }) => `${repository}:${tag}`)
    throw new Problem(`${path} has ${names.length} releases: ${names.slice(0, 5).join(', ')}`, {
      hint: `say which one: --image ${names[0]}`,
      exitCode: 2,
    })
  }
  return { repository: only.repository, reference: { kind: 'digest', digest: only.digest } }
}

// As the images beside them, also where a tar put its directory around both.
const CONFIG_PLACES = ['config', 'mirror/config']
const MOST_FILES = 200
const LARGEST_FILE = 1024 * 1024

/** The ConfigMaps that oc writes beside the images: `config/signature-sha256-<16 hex>.json`, `.yaml` before 4.11. */
async function readConfigMaps(tree: FileTree, digest: Digest): Promise<FoundSignature[]> {
  const wanted = `${algorithmOf(digest)}-${hexOf(digest)}`
  const found: FoundSignature[] = []
  const paths: string[] = []
  for (const place of CONFIG_PLACES) {
    const names = [...(await tree.list(place)).keys()].filter((name) => /^signature-.*\.(?:json|ya?ml)$/.test(name))
    paths.push(...names.map((name) => `${place}/${name}`))
  }
  for (const path of paths.slice(0, MOST_FILES)) {
    const text = (await readSmall(tree, path, LARGEST_FILE).catch(() => undefined))?.toString('utf8')
    for (const bytes of text === undefined ? [] : readConfigMap(text, wanted)) found.push({ bytes, from: path })
  }
  return found
}

// JSON from oc 4.11 on, YAML before, and every JSON is YAML.
function readConfigMap(text: string, wanted: string): Buffer[] {
  try {
    return parseAllDocuments(text).flatMap((document) => {
      if (document.errors.length > 0) return []
      const { binaryData } = (document.toJS({ maxAliasCount: 100 }) ?? {}) as { binaryData?: Record<string, unknown> }
      return Object.entries(binaryData ?? {}).flatMap(([key, value]) =>
        key.startsWith(wanted) && typeof value === 'string' ? [Buffer.from(value, 'base64')] : [],
      )
    })
  } catch {
    return []
  }
}

/** What another Tarn kept beside its images. */
async function readStored(tree: FileTree, digest: Digest): Promise<FoundSignature[]> {
  const found: FoundSignature[] = []
  for (let number = 1; number <= MOST_SIGNATURES; number += 1) {
    const path = `.tarn/state/signatures/${algorithmOf(digest)}=${hexOf(digest)}/signature-${number}`
    const bytes = await readSmall(tree, path, MOST_SIGNATURE_BYTES).catch(() => undefined)
    if (bytes === undefined) break
    found.push({ bytes, from: path })
  }
  return found
}
