// The answers of the routes that take archives, as JSON Schemas for the OpenAPI document; the types are in bundle/.
import Type from 'typebox'

const count = (description?: string) =>
  Type.Integer({ minimum: 0, ...(description === undefined ? {} : { description }) })
const digest = Type.String({ description: 'a digest' })

const taken = {
  dryRun: Type.Boolean(),
  seconds: Type.Number({ minimum: 0 }),
  blobs: Type.Object({
    read: count('blobs in the archive'),
    bytes: count('of them'),
    added: count('that were not here'),
    addedBytes: count(),
    here: count('that were here already'),
    wrong: Type.Array(digest, {
      description: 'whose bytes are something else than their names say; they were left out',
    }),
  }),
  repositories: Type.Array(
    Type.Object({
      name: Type.String(),
      manifests: count(),
      added: count('manifests that were not here'),
      tags: count(),
      set: Type.Array(Type.String(), { description: 'tags that are new or mean something else now' }),
      moved: Type.Array(Type.Object({ tag: Type.String(), from: digest, to: digest })),
    }),
  ),
  signatures: Type.Object({ read: count(), added: count() }, { description: 'of OpenShift releases' }),
}
const image = { repository: Type.String(), digest, tags: Type.Array(Type.String()) }

export const Import = Type.Object({
  ...taken,
  held: Type.Array(
    Type.Object({
      ...image,
      missing: Type.String({ description: 'the first digest that is neither in the archive nor here' }),
    }),
    { description: 'images that miss something: they were not linked, and their tags not set' },
  ),
  passedOver: count('files that are no part of a registry'),
  torn: count('links that hold no digest'),
})

export const Apply = Type.Object({
  ...taken,
  bundle: Type.Object({ id: Type.String(), sequence: count(), part: count('which was applied'), parts: count() }),
  signature: Type.Object({
    state: Type.Enum(['unsigned', 'signed', 'trusted'], {
      description: 'signed: by a key of which nobody said whether to trust it',
    }),
    key: Type.Optional(Type.String({ description: 'its fingerprint' })),
    signer: Type.Optional(Type.String({ description: 'as auth/allowed_signers calls whoever signed' })),
  }),
  images: Type.Object({ all: count('in the whole bundle'), here: count('of them, now') }),
  waiting: Type.Array(
    Type.Object({
      ...image,
      missing: digest,
      part: count('in which that is; 0 where the bundle leaves it out because it was known to be here'),
    }),
    { description: 'images of the bundle that are not whole yet' },
  ),
  heldBack: Type.Array(
    Type.Object({
      repository: Type.String(),
      tag: Type.String(),
      stays: digest,
      wanted: digest,
      by: Type.String({ description: 'the id of the bundle that set it' }),
      sequence: count(),
    }),
    { description: 'tags that a newer bundle set' },
  ),
  applied: Type.Array(count(), { description: 'parts of the bundle that were applied here' }),
})
