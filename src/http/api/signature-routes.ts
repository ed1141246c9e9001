// The route of the admin API by which commands store signatures of releases.
import Type from 'typebox'
import { parseDigest } from '../../oci/digest.ts'
import { MOST_SIGNATURE_BYTES, storeSignature } from '../../storage/signatures.ts'
import { refuse } from './check-options.ts'
import { route } from './route.ts'

const SignatureOptions = Type.Object(
  {
    digest: Type.String({ description: 'of the release image', maxLength: 200 }),
    signature: Type.String({
      description: 'the signature as a store gives it, in base64',
      minLength: 4,
      maxLength: Math.ceil(MOST_SIGNATURE_BYTES / 3) * 4,
    }),
  },
  { additionalProperties: false },
)

const Stored = Type.Object({
  number: Type.Integer({ description: 'the N of signature-N' }),
  added: Type.Boolean({ description: 'false when it was there already' }),
})

export const SIGNATURE_ROUTES = {
  'POST /signatures': route({
    action: 'admin',
    summary: 'store a signature of a release image, for clusters to verify it with',
    body: SignatureOptions,
    report: Stored,
    long: false,
    changes: () => true,
    act: async ({ parts, body: { digest, signature } }) => {
      const bytes = Buffer.from(signature, 'base64')
      if (bytes.toString('base64') !== signature) throw refuse('"signature" must be base64 with padding')
      return storeSignature(parts.upkeep.context.store, parseDigest(digest), bytes)
    },
  }),
}
