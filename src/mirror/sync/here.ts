// What the data directory has of the images that a sync means. Reads links, sizes and manifests, no blob.
import type { Context } from '../../registry/context.ts'
import { findManifest } from '../../registry/pull-manifest.ts'
import { isOurs } from '../link-image.ts'
import type { Here, ReadImage } from './plan.ts'

/** Looks at everything that a plan of these images asks for; what is found holds until somebody changes it. */
export async function readHere(context: Context, images: Iterable<ReadImage>): Promise<Here> {
  const { store } = context
  const whole = new Map<string, boolean>()
  for (const { to, root, read, followers } of images) {
    for (const { digest } of [root, ...read.values(), ...followers]) {
      const key = `${to}@${digest}`
      if (whole.has(key)) continue
      whole.set(key, (await findManifest(context, to, { kind: 'digest', digest })) !== undefined)
    }
  }
  return {
    tag: (name, tag) => {
      const digest = store.tags.resolve(name, tag)
      return digest && { digest, isOurs: isOurs(context, name, tag) }
    },
    isWhole: (name, digest) => whole.get(`${name}@${digest}`) === true,
    hasBlob: (digest) => store.blobs.state(digest) !== undefined,
  }
}
