// How a person names a release and where it goes: an image of a registry, an image of this registry, an archive. Pure.
import type { ImageSource } from '../config/image-source.ts'
import { parseImageSource } from '../config/image-source.ts'
import { Problem } from '../config/problem.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Reference, Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import { isDigest } from '../oci/digest.ts'

export type ArchiveKind = 'dir' | 'data' | 'bundle'

export type ReleaseName =
  | {
      readonly kind: 'registry'
      readonly host: string
      readonly repository: RepositoryName
      readonly reference: Reference
    }
  | { readonly kind: 'local'; readonly repository: RepositoryName; readonly reference: Reference }
  | { readonly kind: ArchiveKind; readonly path: string; readonly image: LocalImage | undefined }

/** `REPOSITORY:TAG` or `REPOSITORY@DIGEST`, without a registry. */
export interface LocalImage {
  readonly repository: RepositoryName
  readonly reference: Reference
}

export type ReleaseTarget =
  | { readonly kind: 'registry'; readonly host: string; readonly repository: RepositoryName }
  | { readonly kind: 'local'; readonly repository: RepositoryName }
  | { readonly kind: 'dir'; readonly path: string; readonly repository: RepositoryName }

/** What `oc` calls the repository of a directory. */
export const DIR_REPOSITORY = 'openshift/release' as RepositoryName

/**
 * Reads where a release comes from: `quay.io/…/ocp-release:TAG`, `ocp4/openshift4:TAG` of this registry, `dir:PATH` (what
 * `oc … --to-dir` wrote), `bundle:PATH`, `data:PATH` (a data directory or a tar of one). `image` names the image in an
 * archive. Throws a Problem.
 */
export function parseReleaseName(text: string, image?: string): ReleaseName {
  const [, kind, path = ''] = /^(dir|data|bundle):(.+)$/s.exec(text) ?? []
  if (kind !== undefined) {
    return { kind: kind as ArchiveKind, path, image: image === undefined ? undefined : parseLocal(image) }
  }
  if (image !== undefined) throw unusable(text, 'it is no archive, and --image names an image in one')
  const source = parseImageSource(text)
  if (source === undefined) return { kind: 'local', ...parseLocal(text) }
  const { host, repository } = source
  const reference = referenceOf(source)
  if (repository === undefined || reference === undefined) throw unusable(text, 'it needs a tag or a digest')
  return { kind: 'registry', host, repository, reference }
}

/** Reads where a release goes: `ocp4/openshift4` of this registry, `HOST:PORT/REPOSITORY`, `dir:PATH`. Throws a Problem. */
export function parseReleaseTarget(text: string): ReleaseTarget {
  const [, path] = /^dir:(.+)$/s.exec(text) ?? []
  if (path !== undefined) return { kind: 'dir', path, repository: DIR_REPOSITORY }
  const source = parseImageSource(text)
  if (source?.tag !== undefined || source?.digest !== undefined || (source === undefined && /[:@]/.test(text))) {
    throw unusable(text, 'a release goes to a repository, and its tags are made from its version')
  }
  if (source?.repository !== undefined) return { kind: 'registry', host: source.host, repository: source.repository }
  if (isRepositoryName(text)) return { kind: 'local', repository: text }
  throw unusable(text, 'it is no repository')
}

/** The registry that a release goes to, as clients name it; undefined for a directory. `own` is this one. */
export function hostOfTarget(target: ReleaseTarget, own: string): string | undefined {
  return target.kind === 'registry' ? target.host : target.kind === 'dir' ? undefined : own
}

/**
 * Reads `REPOSITORY:TAG` or a TAG beside the components, as oc's --to-release-image also with the registry in front: that
 * can be only the one that the components go to; `own` is what clients call this one. Throws a Problem.
 */
export function parseReleaseImage(
  text: string,
  target: ReleaseTarget,
  own: string,
): { repository: RepositoryName; tag: Tag } {
  if (isTag(text)) return { repository: target.repository, tag: text }
  const host = hostOfTarget(target, own)
  const colon = text.lastIndexOf(':')
  const [repository, tag] = [text.slice(0, Math.max(0, colon)), text.slice(colon + 1)]
  const source = parseImageSource(text)
  if (source?.repository !== undefined && source.tag !== undefined && source.digest === undefined) {
    if (source.host === host) return { repository: source.repository, tag: source.tag }
    const where = host === undefined ? 'into a directory' : `to ${host}`
    throw unusable(
      text,
      `the components go ${where}, and the release image to the same place (--registry names this one)`,
    )
  }
  if (isRepositoryName(repository) && isTag(tag)) return { repository, tag }
  throw unusable(text, 'the release image goes to REPOSITORY:TAG')
}

function parseLocal(text: string): LocalImage {
  const [name = '', digest] = text.split('@')
  const colon = name.lastIndexOf(':')
  const repository = digest !== undefined || colon === -1 ? name.replace(/:[^:/]*$/, '') : name.slice(0, colon)
  const tag = name.slice(colon + 1)
  if (isRepositoryName(repository)) {
    if (digest !== undefined && isDigest(digest)) return { repository, reference: { kind: 'digest', digest } }
    if (digest === undefined && colon !== -1 && isTag(tag)) return { repository, reference: { kind: 'tag', tag } }
  }
  throw unusable(text, 'it names no image')
}

function referenceOf({ tag, digest }: ImageSource): Reference | undefined {
  if (digest !== undefined) return { kind: 'digest', digest }
  return tag === undefined ? undefined : { kind: 'tag', tag }
}

function unusable(text: string, why: string): Problem {
  return new Problem(`${JSON.stringify(text)} cannot be used: ${why}`, {
    hint: 'a release is written quay.io/openshift-release-dev/ocp-release:4.18.3-x86_64, ocp4/openshift4:4.18.3-x86_64, dir:PATH, bundle:PATH or data:PATH; where it goes is ocp4/openshift4, HOST:PORT/ocp4/openshift4 or dir:PATH',
    exitCode: 2,
  })
}
