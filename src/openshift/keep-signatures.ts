// Signatures of a release beside its images in a directory, in the ConfigMap that `oc` writes there.
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '../oci/digest.ts'
import { makeSignatureConfigMap, signatureFileName } from '../exchange/signature-config-map.ts'

/** Keeps one signature after the other; a file holds all of its digest. */
export function keepSignatures(directory: string): (digest: Digest, bytes: Buffer) => Promise<boolean> {
  const kept = new Map<Digest, Buffer[]>()
  return async (digest, bytes) => {
    const all = [...(kept.get(digest) ?? []), bytes]
    kept.set(digest, all)
    const signatures = all.map((each, index) => ({ number: index + 1, bytes: each }))
    const folder = join(directory, 'config')
    await mkdir(folder, { recursive: true })
    const path = join(folder, signatureFileName(digest))
    await writeFile(`${path}.tmp`, JSON.stringify(makeSignatureConfigMap({ digest, signatures })), { mode: 0o640 })
    await rename(`${path}.tmp`, path)
    return true
  }
}
