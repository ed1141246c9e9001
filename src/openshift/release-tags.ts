// The tags that `oc adm release mirror` writes: `<version><arch>-<component>` and `<version><arch>` for the release
// itself. oc up to 4.6 wrote no architecture; a list that is kept whole is `-multi`. Clusters pull by digest; the tags
// keep images from being collected, and people count them. Pure.
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import type { Tag } from '../oci/reference.ts'
import { parseTag } from '../oci/reference.ts'
import type { Payload } from './find-payload.ts'

/** `auto`: as the `oc` of the release's own version; `plain`: without the architecture. */
export const TAG_STYLES = ['auto', 'arch', 'plain'] as const
export type TagStyle = (typeof TAG_STYLES)[number]

export interface ReleaseTag {
  /** Undefined for the release image. */
  readonly component: string | undefined
  readonly tag: Tag
  readonly digest: Digest
}

type Tagged = Pick<Payload, 'version' | 'components' | 'digest' | 'isList' | 'architecture'>

// As oc renames them; others are written as they are.
const ARCHITECTURES: Readonly<Record<string, string>> = { amd64: 'x86_64', arm64: 'aarch64' }

/** `-x86_64`, `-multi`, or nothing. */
export function architectureEnding(payload: Omit<Tagged, 'components' | 'digest'>, style: TagStyle): string {
  if (payload.isList) return '-multi'
  if (settleStyle(payload.version, style) === 'plain') return ''
  return `-${ARCHITECTURES[payload.architecture] ?? payload.architecture}`
}

/** The tags of a whole release, its image first. */
export function releaseTags(payload: Tagged, style: TagStyle): ReleaseTag[] {
  const prefix = `${payload.version}${architectureEnding(payload, style)}`
  return [
    { component: undefined, tag: parseTag(prefix), digest: payload.digest },
    ...payload.components.map(({ name, digest }) => ({ component: name, tag: parseTag(`${prefix}-${name}`), digest })),
  ]
}

/** What `auto` stands for: `plain` up to 4.6. */
export function settleStyle(version: string, style: TagStyle): Exclude<TagStyle, 'auto'> {
  if (style !== 'auto') return style
  const [, major = '', minor = ''] = /^(\d+)\.(\d+)/.exec(version) ?? []
  return Number(major) === 4 && Number(minor) <= 6 ? 'plain' : 'arch'
}

export function parseTagStyle(text: string): TagStyle {
  const style = TAG_STYLES.find((each) => each === text)
  if (style !== undefined) return style
  throw new Problem(`${JSON.stringify(text)} is no style of tags`, {
    hint: 'arch writes 4.18.3-x86_64-etcd as oc 4.7 and later do, plain writes 4.4.10-etcd as oc up to 4.6 did, auto goes by the version',
    exitCode: 2,
  })
}
