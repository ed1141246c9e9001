// The routes of the admin API by which a command writes a bundle from the files of a running registry: it is told what
// to read, and that stays while the command says that it is still at it.
import Type from 'typebox'
import type { Static } from 'typebox'
import { pickImages } from '../../bundle/pick.ts'
import type { ExactImages } from '../../bundle/picked.ts'
import { isDigest } from '../../oci/digest.ts'
import { isRepositoryName } from '../../oci/name.ts'
import { isTag } from '../../oci/reference.ts'
import { refuse } from './check-options.ts'
import { route } from './route.ts'

const closed = { additionalProperties: false } as const
const LARGEST_BODY = 16 * 1024 * 1024
const MOST_PATTERNS = 10_000
const MOST_EXACT = 100_000

const texts = (description: string, most: number) =>
  Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), { description, maxItems: most }))

const words = (description: string, most: number) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { description, maxItems: most })

const Exact = Type.Object(
  {
    repository: Type.String({ minLength: 1, maxLength: 255 }),
    tags: words('tags that are meant', MOST_EXACT),
    digests: words('images that are meant by digest', MOST_EXACT),
    platforms: words('of indexes only the children for these; none is all', 100),
    referrers: Type.Boolean({ description: 'signatures and whatever else refers to them too' }),
  },
  closed,
)

const PickBody = Type.Object(
  {
    images: texts(
      'repository, repository:tag or repository@digest, globs too; default: everything, unless exact is there',
      MOST_PATTERNS,
    ),
    exact: Type.Optional(
      Type.Array(Exact, { description: 'images by name, beside those of images', maxItems: MOST_PATTERNS }),
    ),
    platforms: texts('of indexes only the children for these; default: all', 100),
    referrers: Type.Optional(
      Type.Boolean({ default: true, description: 'signatures and whatever else refers to the images too' }),
    ),
    keepTags: Type.Optional(
      Type.Boolean({ default: false, description: 'give children of indexes that have no tag one named after them' }),
    ),
  },
  closed,
)
const HoldBody = Type.Object(
  { hold: Type.String({ maxLength: 64, description: 'as POST /bundle/pick gave it' }) },
  closed,
)

const digest = Type.String({ description: 'a digest' })
const PickReport = Type.Object({
  hold: Type.String({
    description: 'keeps what was picked from being collected: POST /bundle/keep, POST /bundle/release',
  }),
  blobs: Type.Array(
    Type.Object({
      digest,
      size: Type.Integer({ minimum: 0 }),
      stored: digest,
      stamp: Type.String({ description: 'the state of its file' }),
      whole: Type.Boolean({ description: 'known to be right in that state' }),
    }),
  ),
  repositories: Type.Array(
    Type.Object({
      name: Type.String(),
      images: Type.Array(
        Type.Object({
          digest,
          tags: Type.Array(Type.String()),
          manifests: Type.Array(digest),
          layers: Type.Array(digest),
        }),
      ),
    }),
  ),
  signatures: Type.Array(
    Type.Object({ of: digest, number: Type.Integer({ minimum: 1 }), bytes: Type.String({ description: 'base64' }) }),
  ),
  newest: Type.Integer({ minimum: 0, description: 'seconds since 1970: when the newest image was made' }),
  skipped: Type.Array(Type.Object({ image: Type.String(), why: Type.String() })),
  unmatched: Type.Array(Type.String({ description: 'a pattern that matches nothing' })),
})
const HoldReport = Type.Object({
  hold: Type.String(),
  kept: Type.Boolean({ description: 'false: it had ended already' }),
})

const never = (): boolean => false

export const BUNDLE_ROUTES = {
  'POST /bundle/pick': route({
    action: 'admin',
    summary: 'choose images for a bundle in one moment, and keep what they need',
    body: PickBody,
    largest: LARGEST_BODY,
    report: PickReport,
    long: true,
    changes: never,
    act: async ({ parts: { upkeep, holds, clock }, body, emit }) => {
      const { images = [], platforms = [], referrers = true, keepTags = false } = body
      const exact = body.exact?.map(readExact)
      const options = { images, platforms, referrers, keepTags, ...(exact && { exact }) }
      const { picked, release } = await pickImages(upkeep.context.store, options, clock() / 1000, emit)
      return { hold: holds.begin(release), ...picked }
    },
  }),
  'POST /bundle/keep': route({
    action: 'admin',
    summary: 'keep what was picked for a bundle for five more minutes',
    body: HoldBody,
    report: HoldReport,
    long: false,
    changes: never,
    act: async ({ parts: { holds }, body: { hold } }) => {
      if (holds.keep(hold)) return { hold, kept: true }
      throw refuse('what was picked is not kept any more')
    },
  }),
  'POST /bundle/release': route({
    action: 'admin',
    summary: 'let go of what was picked for a bundle',
    body: HoldBody,
    report: HoldReport,
    long: false,
    changes: never,
    act: async ({ parts: { holds }, body: { hold } }) => ({ hold, kept: holds.end(hold) }),
  }),
}

function readExact(given: Static<typeof Exact>): ExactImages {
  const { repository, tags, digests } = given
  if (!isRepositoryName(repository)) throw refuse(`${JSON.stringify(repository)} is no repository`)
  return { ...given, repository, tags: tags.filter(isTag), digests: digests.filter(isDigest) }
}
