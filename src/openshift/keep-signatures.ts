// Signatures of a release beside its images in a directory, in the ConfigMap that `oc` writes there.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'
import { makeSignatureConfigMap, signatureFileName } from '../exchange/signature-config-map.ts'
import { isNotThere } from '../storage/stamp.ts'

/** Keeps one signature after the other, beside those of earlier runs; a file holds all of its digest. Gives whether it is new. */
export function keepSignatures(directory: string): (digest: Digest, bytes: Buffer) => Promise<boolean> {
  return async (digest, bytes) => {
    const folder = join(directory, 'config')
    const path = join(folder, signatureFileName(digest))
    const kept = await readKept(path, digest)
    if (kept.some((each) => each.equals(bytes))) return false
    const signatures = [...kept, bytes].map((each, index) => ({ number: index + 1, bytes: each }))
    await mkdir(folder, { recursive: true })
    await writeFile(`${path}.tmp`, JSON.stringify(makeSignatureConfigMap({ digest, signatures })), { mode: 0o640 })
    await rename(`${path}.tmp`, path)
    return true
  }
}

/** The signatures in a file of `oc` or of an earlier run; none where there is no such file, or it is none. */
async function readKept(path: string, digest: Digest): Promise<Buffer[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (isNotThere(error)) return []
    throw error
  }
  const prefix = `${algorithmOf(digest)}-${hexOf(digest)}-`
  try {
    const { binaryData } = JSON.parse(text) as { binaryData?: Record<string, unknown> }
    return Object.entries(binaryData ?? {}).flatMap(([key, value]) =>
      key.startsWith(prefix) && typeof value === 'string' ? [Buffer.from(value, 'base64')] : [],
    )
  } catch {
    // Torn by somebody else: what is known now takes its place.
    return []
  }
}
