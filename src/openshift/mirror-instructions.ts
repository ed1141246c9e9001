// What `oc adm release mirror` prints when it is done, word for word: people look for what their handbook shows. oc prints
// none of it when images come out of a directory; then it is needed the most. Pure.
import { join } from 'node:path'
import { signatureFileName } from '../exchange/signature-config-map.ts'
import type { Digest } from '../oci/digest.ts'
import type { Payload } from './find-payload.ts'
import { sourceRepositories } from './payload.ts'

/** `icsp` is for OpenShift up to 4.12, `idms` from 4.13 on; `auto` goes by the version of the release. */
export const INSTRUCTIONS = ['auto', 'icsp', 'idms', 'none'] as const
export type Instructions = (typeof INSTRUCTIONS)[number]

export interface MirrorFacts {
  readonly version: string
  /** Registry and repository as clients name them: `mirror.example.com:5000/ocp4/openshift4`. */
  readonly to: string
  /** The release image there, with its tag. */
  readonly image: string
  /** Whether somebody named the place of the release image. */
  readonly namedImage: boolean
  /** Repositories that the mirror stands for, sorted. */
  readonly sources: readonly string[]
  readonly instructions: Instructions
}

/** `Success` and all that follows it, without a line break at the end. */
export function formatMirrored(facts: MirrorFacts): string {
  const { to, image, namedImage } = facts
  const head = [
    'Success',
    `Update image:  ${image}`,
    `Mirror prefix: ${to}`,
    ...(namedImage ? [`Mirror prefix: ${image}`] : []),
  ]
  const kind = settleInstructions(facts)
  if (kind === 'none' || facts.sources.length === 0) return head.join('\n')
  return [...head, '', ...formatSections(facts, kind)].join('\n')
}

function formatSections({ to, sources, version }: MirrorFacts, kind: 'icsp' | 'idms'): string[] {
  const isSet = kind === 'idms'
  // The installer knows the new key from 4.14 on, the cluster the new object from 4.13 on.
  const key = isSet && minorOf(version) !== 13 ? 'imageDigestSources' : 'imageContentSources'
  const object = isSet ? 'ImageDigestMirrorSet' : 'ImageContentSourcePolicy'
  const entries = (indent: string): string[] =>
    sources.flatMap((source) => [`${indent}- mirrors:`, `${indent}  - ${to}`, `${indent}  source: ${source}`])
  return [
    'To use the new mirrored repository to install, add the following section to the install-config.yaml:',
    '',
    `${key}:`,
    ...entries(''),
    '',
    '',
    `To use the new mirrored repository for upgrades, use the following to create an ${object}:`,
    '',
    `apiVersion: ${isSet ? 'config.openshift.io/v1' : 'operator.openshift.io/v1alpha1'}`,
    `kind: ${object}`,
    'metadata:',
    '  name: example',
    'spec:',
    `  ${isSet ? 'imageDigestMirrors' : 'repositoryDigestMirrors'}:`,
    ...entries('  '),
  ]
}

function settleInstructions({ version, instructions }: MirrorFacts): Exclude<Instructions, 'auto'> {
  if (instructions !== 'auto') return instructions
  return minorOf(version) >= 13 ? 'idms' : 'icsp'
}

// Whatever is no 4.x is newer than all that had the old object.
function minorOf(version: string): number {
  const [, major = '', minor = ''] = /^(\d+)\.(\d+)/.exec(version) ?? []
  return Number(major) === 4 ? Number(minor) : 99
}

/** What `oc` says of a directory: how its images are uploaded from there, and where the ConfigMaps of its `signed` images lie. */
export function formatWritten({
  path,
  image,
  signed,
}: {
  readonly path: string
  readonly image: string
  readonly signed: readonly Digest[]
}): string {
  return [
    'Success',
    `Update image:  ${image}`,
    '',
    'To upload local images to a registry, run:',
    '',
    `    oc image mirror --from-dir=${path} 'file://${image}*' REGISTRY/REPOSITORY`,
    ...(signed.length > 0 ? [''] : []),
    ...signed.map((digest) => `Configmap signature file ${join(path, 'config', signatureFileName(digest))} created`),
  ].join('\n')
}

/**
 * The repositories that a mirror of this release stands for: those of the components, and that of the release image where
 * it is known: `from`, or what its signatures call it, or its usual place beside the components.
 */
export function mirroredSources(
  { components }: Pick<Payload, 'components'>,
  { from, signedAs = [] }: { readonly from?: string | undefined; readonly signedAs?: readonly string[] },
): string[] {
  const repositories = sourceRepositories(components)
  const named = from === undefined ? signedAs.map(repositoryOf) : [from]
  const usual = repositories.flatMap((each) =>
    each.endsWith('/ocp-v4.0-art-dev') ? [`${each.slice(0, each.lastIndexOf('/'))}/ocp-release`] : [],
  )
  const release = named.length > 0 ? named : usual
  return [...new Set([...repositories, ...release])].toSorted()
}

/** An image name without its tag and digest. */
function repositoryOf(name: string): string {
  const [path = ''] = name.split('@')
  const colon = path.lastIndexOf(':')
  return colon > path.lastIndexOf('/') ? path.slice(0, colon) : path
}
