// Indexes of bundles for tests, without anything behind them.
import { computeBundleId } from '../../src/bundle/bundle-id.ts'
import type { BundleContent, BundleIndex } from '../../src/bundle/bundle-index.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseTag } from '../../src/oci/reference.ts'

export function digestFor(text: string): Digest {
  return digestOf(Buffer.from(text))
}

export const REPO = parseRepositoryName('team/app')
export const ARTIFACTS = parseRepositoryName('artifacts')
export const TAG = parseTag('v1')

/** Of three parts: a manifest, a config, a layer that is cut over two parts, and one that is left out. */
export function makeContent(): BundleContent {
  const needed = digestFor('needed')
  return {
    blobs: [
      { digest: digestFor('manifest'), size: 8, part: 1 },
      { digest: digestFor('config'), size: 6, part: 1 },
      {
        digest: digestFor('large layer'),
        size: 11,
        part: 2,
        slices: [
          { digest: digestFor('large '), size: 6, part: 2 },
          { digest: digestFor('layer'), size: 5, part: 3 },
        ],
      },
      { digest: digestFor('index'), size: 5, part: 3 },
      { digest: needed, size: 6, part: 0 },
    ],
    repositories: [
      { name: ARTIFACTS, images: [{ manifest: 3, tags: [] }], layers: [], manifests: [3] },
      { name: REPO, images: [{ manifest: 0, tags: [TAG, parseTag('v2')] }], layers: [1, 2, 4], manifests: [0] },
    ],
    signatures: [{ of: digestFor('manifest'), number: 1, digest: digestFor('signature'), size: 9 }],
  }
}

export function makeIndex(content: BundleContent = makeContent(), facts: Partial<BundleIndex> = {}): BundleIndex {
  return {
    ...content,
    id: computeBundleId(content),
    sequence: 3,
    created: 1_793_491_200,
    parts: 3,
    buildsOn: [],
    ...facts,
  }
}
