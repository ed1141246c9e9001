// Signs images for tests as cosign does (simple signing with a key of one's own), and writes keys and policies.
import { generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { hashOf } from './digest.ts'
import { OCI_CONFIG, OCI_MANIFEST } from './push.ts'

export const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json'

export interface SigningKey {
  /** PEM. */
  readonly publicKey: string
  readonly privateKey: KeyObject
}

export function makeSigningKey(kind: 'p256' | 'p384' | 'rsa' | 'ed25519' = 'p256'): SigningKey {
  const { publicKey, privateKey } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : kind === 'ed25519'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('ec', { namedCurve: kind === 'p256' ? 'prime256v1' : 'secp384r1' })
  return { publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(), privateKey }
}

export function cosignPayload(digest: string, reference: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': reference },
        image: { 'docker-manifest-digest': digest },
        type: 'cosign container image signature',
      },
      optional: null,
    }),
  )
}

/** In base64. */
export function signPayload(payload: Buffer, { privateKey }: SigningKey): string {
  return sign(privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256', payload, privateKey).toString('base64')
}

export interface SignatureImage {
  /** `sha256-<hex>.sig` */
  readonly tag: string
  readonly config: Buffer
  readonly payloads: readonly Buffer[]
  readonly manifest: Buffer
}

/** The image that cosign pushes beside a signed one. */
export function makeSignatureImage(
  digest: string,
  signatures: readonly { readonly payload: Buffer; readonly signature: string }[],
): SignatureImage {
  const config = Buffer.from(JSON.stringify({ architecture: '', os: '', rootfs: { type: 'layers', diff_ids: [] } }))
  const layers = signatures.map(({ payload, signature }) => ({
    mediaType: SIMPLE_SIGNING,
    digest: hashOf(payload),
    size: payload.length,
    annotations: { 'dev.cosignproject.cosign/signature': signature },
  }))
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, digest: hashOf(config), size: config.length },
      layers,
    }),
  )
  const payloads = signatures.map(({ payload }) => payload)
  return { tag: `${digest.replace(':', '-')}.sig`, config, payloads, manifest }
}
