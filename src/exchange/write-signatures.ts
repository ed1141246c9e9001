// Signatures of releases beside the images of a directory, as `oc adm release mirror --to-dir` leaves them: one ConfigMap for
// each, which `oc apply` gives to a cluster.
import type { Layout } from '../storage/layout.ts'
import { readSignatures } from '../storage/signatures.ts'
import type { CopiedImage } from './copied-image.ts'
import { makeSignatureConfigMap, signatureFileName } from './signature-config-map.ts'
import { writeDirectory } from './write-directory.ts'

/** Writes those of the images that are there. */
export async function writeSignatureMaps(
  layout: Layout,
  directory: string,
  images: readonly Pick<CopiedImage, 'digest' | 'state'>[],
): Promise<void> {
  const writer = writeDirectory(directory)
  const digests = new Set(
    images.flatMap(({ digest, state }) => (state === 'failed' || digest === undefined ? [] : [digest])),
  )
  for (const digest of digests) {
    const signatures = readSignatures(layout, digest)
    if (signatures.length === 0) continue
    const map = makeSignatureConfigMap({ digest, signatures })
    await writer.write(`config/${signatureFileName(digest)}`, Buffer.from(JSON.stringify(map)))
  }
}
