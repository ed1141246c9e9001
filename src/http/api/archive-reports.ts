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
  held: Type.Array(
    Type.Object({
      repository: Type.String(),
      digest,
      tags: Type.Array(Type.String()),
      missing: Type.String({ description: 'the first digest that is neither in the archive nor here' }),
    }),
    { description: 'images that miss something: they were not linked, and their tags not set' },
  ),
  signatures: Type.Object({ read: count(), added: count() }),
}

export const Import = Type.Object({
  ...taken,
  passedOver: count('files that are no part of a registry'),
  torn: count('links that hold no digest'),
})
