// Everything that is known of one image, for `tarn inspect`: read from the directory without lock and server.
// Synchronous: never in the server. It asks all repositories who else holds what the image is made of.
import { readFileSync } from 'node:fs'
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { findHeld } from '../storage/holders.ts'
import type { Layout } from '../storage/layout.ts'
import { readManifestFile } from '../storage/read-manifest-file.ts'
import type { FoundRepository } from '../storage/read-repository.ts'
import { readRepository } from '../storage/read-repository.ts'
import { statFile } from '../storage/stamp.ts'
import type { WalkReport } from '../storage/walk.ts'
import { walkRepositories } from '../storage/walk.ts'
import type { ManifestNode } from './describe-manifest.ts'
import { describeManifest, formatPlatform, listParts } from './describe-manifest.ts'
import { findReferrers } from './find-referrers.ts'
import type { ImageReferrer } from './find-referrers.ts'
import { parseImage } from './select.ts'

/** What an image's configuration says of it (image-spec "Image Configuration"); members that are absent are not said. */
export interface ImageConfig {
  readonly created?: string
  readonly architecture?: string
  readonly os?: string
  readonly variant?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly entrypoint?: readonly string[]
  readonly cmd?: readonly string[]
  readonly user?: string
  readonly env?: readonly string[]
}

export interface Holder {
  readonly repository: RepositoryName
  /** Its tags that point to the same manifest. */
  readonly tags: readonly Tag[]
}

export interface ImageDetails {
  readonly name: RepositoryName
  readonly digest: Digest
  /** The tags of this repository that point to it. */
  readonly tags: readonly Tag[]
  readonly pushedAt: number | undefined
  readonly manifest: ManifestNode
  /** Of the image, or of each platform by the digest of its manifest. */
  readonly configs: Readonly<Record<Digest, ImageConfig>>
  readonly referrers: readonly ImageReferrer[]
  /** Indexes of this repository that name the manifest, with their tags: while they stay, it cannot be removed. */
  readonly partOf: readonly { readonly digest: Digest; readonly tags: readonly Tag[] }[]
  /** Other repositories that hold the same manifest. */
  readonly heldBy: readonly Holder[]
  /** For each part that other repositories hold too, which ones. */
  readonly sharedParts: Readonly<Record<Digest, readonly RepositoryName[]>>
  readonly pinned: boolean
  /** What could not be read, so that more may hold it. */
  readonly problems: readonly { readonly path: string; readonly what: string }[]
}

// A configuration beyond this is no image's.
const LARGEST_CONFIG = 16 * 1024 * 1024

export interface FoundImage {
  readonly name: RepositoryName
  readonly tag: Tag | undefined
  readonly digest: Digest
  readonly repository: FoundRepository
}

/**
 * Finds `repo:tag`, `repo@digest` (12 digits are enough) or `repo` (its tag latest). Throws a Problem when it is not here,
 * or when that cannot be told.
 */
export function findImage(layout: Layout, text: string): FoundImage {
  const { name, tag, digest: prefix } = parseImage(text)
  const { report, problems } = watchWalk(layout)
  const repository = readRepository(layout, name, report)
  const isHere = repository.hasManifests || repository.hasLayers
  if (tag !== undefined) {
    const found = repository.tags.find((one) => one.tag === tag)
    if (found?.target !== undefined) return { name, tag, digest: found.target, repository }
    if (found?.torn) {
      throw new Problem(`the link of ${name}:${tag} is torn: ${layout.tagLink(name, tag)} holds no digest`, {
        hint: `have it repaired: tarn check --repair ${name}`,
      })
    }
    requireRead(name, problems)
    const what = isHere ? `${name} has no tag ${tag}` : `there is no repository ${name} in ${layout.root}`
    throw new Problem(what, { hint: isHere ? `see which it has: tarn ls --tags ${name}` : 'see what is here: tarn ls' })
  }
  const found = repository.revisions.filter((one) => one.target !== undefined && one.digest.startsWith(prefix ?? ''))
  const [first, second] = found
  if (first !== undefined && second === undefined) return { name, tag: undefined, digest: first.digest, repository }
  if (first === undefined) requireRead(name, problems)
  throw new Problem(
    first === undefined ? `${name} has no manifest ${prefix}` : `${found.length} manifests begin with ${prefix}`,
    { hint: `see which it has: tarn ls --tags --untagged ${name}` },
  )
}

type Problems = { path: string; what: string }[]

function watchWalk(layout: Layout): { readonly report: WalkReport; readonly problems: Problems } {
  const problems: Problems = []
  const onUnreadable = (path: string, { message }: Error): void =>
    void problems.push({ path: path.slice(layout.root.length + 1), what: message })
  return { report: { onStray: () => undefined, onUnreadable }, problems }
}

// What cannot be read may be here all the same.
function requireRead(name: RepositoryName, [first]: Problems): void {
  if (first === undefined) return
  const uid = process.getuid?.() ?? 0
  throw new Problem(`the repository ${name} cannot be read as uid ${uid}: ${first.what}`, {
    hint: 'give the command as the user of the registry: sudo -u NAME tarn …; or look closer: tarn check',
  })
}

/** The bytes of the manifest as they are stored. Throws a Problem when they are not here or not what the digest says. */
export function readRaw(layout: Layout, { name, digest, repository }: FoundImage): Uint8Array {
  const stored = repository.revisions.find((one) => one.digest === digest)?.target ?? digest
  const file = readManifestFile(layout, digest, stored)
  if (file.state === 'read') return file.bytes
  throw new Problem(
    file.state === 'missing'
      ? `the manifest ${name}@${digest} is not here`
      : `the manifest ${name}@${digest} is broken: ${file.why}`,
    { hint: `look closer: tarn check ${name}` },
  )
}

/**
 * The manifest of the image itself, or of an index the one for `platform` (`linux/arm64`). Throws a Problem when there is
 * no such one, for an image whose configuration names another platform, and for an index without a platform being named.
 */
export function choosePlatform(layout: Layout, node: ManifestNode, platform: string | undefined): ManifestNode {
  if (node.kind !== 'index') return requirePlatform(layout, node, platform)
  const names = node.children.map((child) => formatPlatform(child.platform))
  const found = node.children.find((child, index) => {
    const { os, architecture } = child.platform ?? {}
    return platform !== undefined && (names[index] === platform || `${os}/${architecture}` === platform)
  })
  if (found !== undefined) return found
  const hint = `it has ${names.map((name) => name || 'unknown').join(', ')}: choose with --platform`
  const what = platform === undefined ? 'it is an index of several manifests' : `it has no manifest for ${platform}`
  throw new Problem(what, { hint, ...(platform === undefined && { exitCode: 2 }) })
}

function requirePlatform(layout: Layout, node: ManifestNode, platform: string | undefined): ManifestNode {
  const { os, architecture, variant } = readConfig(layout, node) ?? {}
  if (platform === undefined || os === undefined || architecture === undefined) return node
  const [wantedOs, wantedArchitecture, wantedVariant = variant] = platform.split('/')
  const isIt = wantedOs === os && wantedArchitecture === architecture
  if (isIt && (variant === undefined || wantedVariant === variant)) return node
  const own = formatPlatform({ os, architecture, ...(variant !== undefined && { variant }) })
  throw new Problem(`it is an image for ${own}, not for ${platform}`, { hint: 'leave --platform out, or name its own' })
}

/** The bytes of the configuration of `node`. Throws a Problem when there is none to be had. */
export function readConfigBytes(layout: Layout, { digest, config }: ManifestNode): Uint8Array {
  const path = config && layout.blobData(config.storedAs ?? config.digest)
  const size = path === undefined ? undefined : statFile(path)?.size
  if (path !== undefined && size !== undefined && size <= LARGEST_CONFIG) return readFileSync(path)
  throw new Problem(`the manifest ${digest} has no configuration that is here`, {
    hint: 'see what it is made of: tarn inspect IMAGE',
  })
}

/** Tells everything about the image. */
export function inspectImage(layout: Layout, image: FoundImage, isPinned: boolean): ImageDetails {
  const { name, digest, repository } = image
  const manifest = describeManifest(layout, name, digest)
  const parts = new Set(listParts(manifest).map((part) => part.digest))
  const heldBy: Holder[] = []
  const shared = new Map<Digest, RepositoryName[]>()
  const { report, problems } = watchWalk(layout)
  for (const other of walkRepositories(layout, report)) {
    if (other === name) continue
    const held = findHeld(layout, other, parts, report)
    for (const part of held) {
      const holders = shared.get(part)
      if (holders === undefined) shared.set(part, [other])
      else holders.push(other)
    }
    if (held.includes(digest)) {
      const tags = readRepository(layout, other, report).tags.filter(({ target }) => target === digest)
      heldBy.push({ repository: other, tags: tags.map(({ tag }) => tag) })
    }
  }
  return {
    name,
    digest,
    tags: repository.tags.filter(({ target }) => target === digest).map(({ tag }) => tag),
    pushedAt: repository.revisions.find((one) => one.digest === digest)?.writtenAt,
    manifest,
    configs: Object.fromEntries(readConfigs(layout, manifest)),
    referrers: findReferrers(layout, repository, [digest, ...manifest.children.map((child) => child.digest)]),
    partOf: findIndexes(layout, repository, digest),
    heldBy,
    sharedParts: Object.fromEntries(shared),
    pinned: isPinned,
    problems,
  }
}

function findIndexes(
  layout: Layout,
  { revisions, tags }: FoundRepository,
  child: Digest,
): { digest: Digest; tags: Tag[] }[] {
  return revisions.flatMap(({ digest, target }) => {
    const file = target && readManifestFile(layout, digest, target)
    if (file?.state !== 'read' || file.manifest.manifests.every((each) => each.digest !== child)) return []
    return [{ digest, tags: tags.filter((one) => one.target === digest).map(({ tag }) => tag) }]
  })
}

function readConfigs(layout: Layout, node: ManifestNode): [Digest, ImageConfig][] {
  const below = node.children.flatMap((child) => readConfigs(layout, child))
  const config = readConfig(layout, node)
  return config === undefined ? below : [[node.digest, config], ...below]
}

function readConfig(layout: Layout, node: ManifestNode): ImageConfig | undefined {
  if (node.config === undefined || !/image\.(?:config\.)?v1\+json$/.test(node.config.mediaType)) return undefined
  try {
    return parseConfig(Buffer.from(readConfigBytes(layout, node)).toString('utf8'))
  } catch {
    // The state of the blob says what is wrong with it.
    return undefined
  }
}

// Anybody may have written it: what has not the form that it should have is left out.
function parseConfig(text: string): ImageConfig {
  const value = asObject(JSON.parse(text))
  const inner = asObject(value['config'])
  return Object.fromEntries(
    Object.entries({
      created: asText(value['created']),
      architecture: asText(value['architecture']),
      os: asText(value['os']),
      variant: asText(value['variant']),
      labels: asTexts(inner['Labels']),
      entrypoint: asList(inner['Entrypoint']),
      cmd: asList(inner['Cmd']),
      user: asText(inner['User']),
      env: asList(inner['Env']),
    }).filter(([, member]) => member !== undefined),
  )
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function asList(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.length > 0 ? value.filter((item) => typeof item === 'string') : undefined
}

function asTexts(value: unknown): Record<string, string> | undefined {
  const entries = Object.entries(asObject(value)).filter(([, text]) => typeof text === 'string')
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as Record<string, string>)
}
