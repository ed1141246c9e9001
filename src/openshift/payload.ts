// What the payload of an OpenShift release says: its version and its components, each by digest. Read alike for every
// version from 4.4 to 4.19: the file image-references is an ImageStream in all of them. Pure; what cannot be taken as
// `oc` takes it is a Problem, since half a release is no use to a cluster.
import { parseImageSource } from '../config/image-source.ts'
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import { parseJson } from '../oci/json.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isTag } from '../oci/reference.ts'

/** One image of a release. */
export interface Component {
  readonly name: string
  /** The registry that the payload names: `quay.io`. */
  readonly host: string
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly annotations: Readonly<Record<string, string>>
}

/** The file image-references. */
export interface ImageReferences {
  /** The name of the ImageStream: `4.4.10`, also where the tag of the image says something else. */
  readonly version: string
  readonly created: string | undefined
  /** In the payload's order, which is that of the names. */
  readonly components: readonly Component[]
}

/** The file release-metadata (Cincinnati's). */
export interface ReleaseMetadata {
  readonly version: string | undefined
  readonly previous: readonly string[]
  readonly next: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
}

export const MOST_COMPONENTS = 2000

const LONGEST_VERSION = 64

/** Reads image-references; `release` names the image in messages. Throws a Problem. */
export function parseImageReferences(bytes: Uint8Array, release: string): ImageReferences {
  const root = readObject(bytes, release, 'image-references')
  const { kind, apiVersion } = root
  if (kind !== 'ImageStream' || apiVersion !== 'image.openshift.io/v1') {
    throw wrong(release, 'its image-references is no ImageStream of image.openshift.io/v1')
  }
  const metadata = asObject(root['metadata'])
  const version = asText(metadata['name']) ?? ''
  if (version.length > LONGEST_VERSION || !isTag(version)) {
    throw wrong(release, `its image-references names no version that can be part of a tag (${quote(version)})`)
  }
  const tags = asObject(root['spec'])['tags']
  const listed = Array.isArray(tags) ? (tags as unknown[]) : []
  if (listed.length > MOST_COMPONENTS) throw wrong(release, `its image-references names ${listed.length} images`)
  const components = listed.flatMap((tag) => readComponent(asObject(tag), version, release))
  if (components.length === 0) throw wrong(release, 'its image-references names no image')
  const names = new Set<string>()
  for (const { name } of components) {
    if (names.has(name)) throw wrong(release, `its image-references names the component ${name} twice`)
    names.add(name)
  }
  return { version, created: asText(metadata['creationTimestamp']), components }
}

/** Reads release-metadata. `oc` does not need it, so what is not as it should be is left out; throws a Problem for no JSON. */
export function parseReleaseMetadata(bytes: Uint8Array, release: string): ReleaseMetadata {
  const root = readObject(bytes, release, 'release-metadata')
  return {
    version: asText(root['version']),
    previous: asTexts(root['previous']),
    next: asTexts(root['next']),
    metadata: asTextMap(root['metadata']),
  }
}

/** Host and repository of every image that the components come from, sorted, each once: `quay.io/openshift-release-dev/…`. */
export function sourceRepositories(components: readonly Component[]): string[] {
  return [...new Set(components.map(({ host, repository }) => `${host}/${repository}`))].toSorted()
}

/** The versions that components tell of themselves (`io.openshift.build.versions`), sorted by name: kubernetes 1.17.1. */
export function componentVersions(
  components: readonly Component[],
): { readonly name: string; readonly version: string }[] {
  const found = new Map<string, string>()
  for (const { annotations } of components) {
    for (const pair of (annotations['io.openshift.build.versions'] ?? '').split(',')) {
      const [name = '', version] = pair.split('=', 2)
      if (name !== '' && version !== undefined && version !== '') found.set(name, version)
    }
  }
  return [...found].map(([name, version]) => ({ name, version })).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

// Only DockerImage means an image; other kinds are skipped, as `oc` does.
function readComponent(tag: Fields, version: string, release: string): Component[] {
  const from = asObject(tag['from'])
  if (from['kind'] !== 'DockerImage') return []
  const name = asText(tag['name']) ?? ''
  const reference = asText(from['name']) ?? ''
  const source = parseImageSource(reference)
  // The longest tag that it can get must still be one.
  if (!isTag(`${version}-ppc64le-${name}`) || name === '') {
    throw wrong(release, `its component ${quote(name)} cannot be part of a tag`)
  }
  if (source?.repository === undefined || source.digest === undefined || source.tag !== undefined) {
    throw wrong(release, `its component ${name} is ${quote(reference)}, which is no image with registry and digest`)
  }
  const { host, repository, digest } = source
  return [{ name, host, repository, digest, annotations: asTextMap(tag['annotations']) }]
}

type Fields = Readonly<Record<string, unknown>>

function readObject(bytes: Uint8Array, release: string, file: string): Fields {
  let value: unknown
  try {
    value = parseJson(bytes, 'tolerant')
  } catch (cause) {
    throw wrong(release, `its ${file} cannot be read: ${(cause as Error).message}`, cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(release, `its ${file} is no JSON object`)
  }
  return value as Fields
}

function asObject(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function asTexts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : []
}

function asTextMap(value: unknown): Record<string, string> {
  const pairs = Object.entries(asObject(value)).filter((pair): pair is [string, string] => typeof pair[1] === 'string')
  return Object.fromEntries(pairs)
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}

/** An image is no release, or none that can be used. */
export class NoRelease extends Problem {}

export function wrong(release: string, what: string, cause?: unknown): NoRelease {
  return new NoRelease(`${release} is no release that can be used: ${what}`, {
    hint: 'name a release image, such as quay.io/openshift-release-dev/ocp-release:4.18.3-x86_64',
    ...(cause !== undefined && { cause }),
  })
}
