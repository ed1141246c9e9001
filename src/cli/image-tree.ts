// A manifest and its parts as lines of a tree, the same in `tarn ls --tree` and `tarn inspect`.
import type { BlobNode, ManifestNode } from '../registry/describe-manifest.ts'
import { formatPlatform } from '../registry/describe-manifest.ts'
import type { TreeNode } from './table.ts'
import { formatBytes } from './table.ts'

const SHORT = 12

/** `sha256:0123456789ab`; enough to name it to every command. */
export function shortenDigest(digest: string): string {
  const colon = digest.indexOf(':')
  return digest.slice(0, colon + 1 + SHORT)
}

export interface TreeOptions {
  readonly fullDigests: boolean
  readonly mediaTypes: boolean
  /** What is to be said of a part at the end of its line. */
  readonly remark?: (part: BlobNode) => string | undefined
}

/** The tree below `text`: platforms, configurations, layers. */
export function makeImageTree(text: string, node: ManifestNode, options: TreeOptions): TreeNode {
  const children = node.children.map((child) => {
    const what = formatPlatform(child.platform) || child.artifactType || 'manifest'
    return makeImageTree(describePart(what, child, options), child, options)
  })
  const config = node.config === undefined ? [] : [{ text: describePart('config', node.config, options) }]
  const layers = node.layers.map((layer) => ({ text: describePart('layer', layer, options) }))
  return { text, children: [...children, ...config, ...layers] }
}

/** One line on a part: what it is, digest, size, and what is wrong with it. */
export function describePart(what: string, part: BlobNode, { fullDigests, mediaTypes, remark }: TreeOptions): string {
  return [
    what,
    fullDigests ? part.digest : shortenDigest(part.digest),
    formatBytes(part.size),
    mediaTypes ? part.mediaType : undefined,
    part.state === 'here' ? undefined : part.state.toUpperCase(),
    remark?.(part),
  ]
    .filter(Boolean)
    .join('  ')
}
