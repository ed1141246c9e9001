// What is told of releases, as JSON Schemas. The types are in openshift/release-report.ts.
import Type from 'typebox'

const count = (description?: string) =>
  Type.Integer({ minimum: 0, ...(description === undefined ? {} : { description }) })
const optional = Type.Optional
const digest = Type.String({ description: 'sha256:…' })

const Signature = Type.Object({
  state: Type.Enum(['verified', 'unsigned', 'wrong', 'none']),
  what: Type.String(),
  good: Type.Array(
    Type.Object({
      digest,
      keyring: Type.String(),
      keyId: Type.String(),
      reference: Type.String({ description: 'what the signer calls the image' }),
      from: Type.String(),
    }),
  ),
  problems: Type.Array(Type.String()),
})

const names = Type.Array(Type.String())

export const InfoReportSchema = Type.Object({
  name: Type.String(),
  version: Type.String(),
  digest,
  image: digest,
  created: optional(Type.String()),
  os: Type.String(),
  architecture: Type.String(),
  architectures: names,
  isList: Type.Boolean(),
  pullFrom: Type.String(),
  files: Type.Object({ manifests: count(), metadata: count() }),
  metadata: optional(
    Type.Object({
      version: optional(Type.String()),
      previous: names,
      next: names,
      metadata: Type.Record(Type.String(), Type.String()),
    }),
  ),
  versions: Type.Array(Type.Object({ name: Type.String(), version: Type.String() })),
  images: Type.Array(Type.Object({ name: Type.String(), digest, pullSpec: Type.String() })),
  signature: Signature,
})

export const VerifyReportSchema = Type.Object({
  name: Type.String(),
  version: Type.String(),
  digest,
  components: count(),
  manifests: count(),
  referrers: count('that refer to its images: signatures of sigstore, attestations, SBOMs'),
  recorded: Type.Boolean({ description: 'whether it is known what should refer to them' }),
  blobs: count(),
  bytes: count('that were read and hashed'),
  fast: Type.Boolean(),
  seconds: Type.Number({ minimum: 0 }),
  faults: Type.Array(
    Type.Object({
      kind: Type.String(),
      component: optional(Type.String()),
      digest: optional(digest),
      what: Type.String(),
    }),
  ),
  signature: Signature,
  ok: Type.Boolean(),
})

export const MirrorReleaseSchema = Type.Object({
  version: Type.String(),
  digest,
  to: Type.String(),
  dryRun: Type.Boolean(),
  images: Type.Array(
    Type.Object({
      components: names,
      from: Type.String(),
      to: Type.String(),
      tags: names,
      state: Type.Enum(['copied', 'here', 'incomplete', 'failed']),
      digest: optional(digest),
      bytes: count('that went over for it and for none before it'),
      why: optional(Type.String()),
      hint: optional(Type.String()),
    }),
  ),
  counts: Type.Object({ copied: count(), here: count(), incomplete: count(), failed: count() }),
  tags: count(),
  blobs: count(),
  bytes: count(),
  seconds: Type.Number({ minimum: 0 }),
  signature: Signature,
  stored: count('signatures that clusters are served now and were not before'),
  instructions: optional(Type.String({ description: 'what oc prints when it is done' })),
  image: Type.String(),
})
