// The routes of the admin API that take an archive as the body of the request: nothing of it lies on a disk in between.
import Type from 'typebox'
import { applyBundle } from '../../bundle/apply-bundle.ts'
import { importData } from '../../bundle/import-data.ts'
import { streamBundle } from '../../bundle/stream-bundle.ts'
import { refuse } from './check-options.ts'
import type { ArchiveBody } from './given.ts'
import * as reports from './archive-reports.ts'
import { route } from './route.ts'

const closed = { additionalProperties: false } as const
const dryRun = Type.Optional(
  Type.Boolean({ default: false, description: 'read and verify all of it, tell what would be done, and do nothing' }),
)

const ImportOptions = Type.Object({ dryRun }, closed)

const ApplyOptions = Type.Object(
  {
    dryRun,
    requireSignature: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          'refuse a bundle that is not signed by somebody in auth/allowed_signers; where that file is, always so',
      }),
    ),
  },
  closed,
)

const unlessDry = ({ dryRun = false }: { dryRun?: boolean }): boolean => !dryRun

const texts = (description: string) =>
  Type.Optional(
    Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { maxItems: 1000 })], {
      description: `${description}; can be given again`,
    }),
  )
const StreamOptions = Type.Object(
  {
    image: texts('repository, repository:tag or repository@digest, globs too; default: everything'),
    platform: texts('of indexes only the images for this one, as linux/arm64'),
    referrers: Type.Optional(Type.Boolean({ default: true, description: 'signatures and the like come too' })),
    keepTags: Type.Optional(Type.Boolean({ default: false, description: 'tag the images of indexes too' })),
    sequence: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,8}$', description: 'the number of the bundle; 1' })),
  },
  closed,
)

export const ARCHIVE_ROUTES = {
  'GET /bundle': route({
    action: 'admin',
    summary: 'a bundle of one part, signed when the home has a key; a stream that breaks off is no bundle',
    body: StreamOptions,
    report: Type.Object({}),
    long: false,
    gives: 'archive',
    changes: () => false,
    act: async ({ parts: { upkeep, trust }, body }) => {
      const { image = [], platform = [], referrers = true, keepTags = false, sequence = '1' } = body
      const { now, key } = trust()
      const [images, platforms] = [image, platform].map((one) => (typeof one === 'string' ? [one] : one))
      const chosen = { images: images ?? [], platforms: platforms ?? [], referrers, keepTags }
      return streamBundle(upkeep.context, { ...chosen, sequence: Number(sequence), now, key })
    },
  }),
  'POST /bundle': route({
    action: 'admin',
    summary: 'apply one part of a bundle, packed with zstd or not',
    body: ApplyOptions,
    report: reports.Apply,
    long: true,
    takes: 'archive',
    changes: unlessDry,
    act: async ({ parts, body: { dryRun = false, requireSignature = false }, archive, emit }) => {
      const { bytes, size } = requireArchive(archive)
      const policy = { ...parts.trust(), required: requireSignature }
      return applyBundle(parts.upkeep.context, bytes, { dryRun, policy, size, emit })
    },
  }),
  'POST /import/data': route({
    action: 'admin',
    summary: 'take in a tar of any registry’s data directory, packed with gzip or zstd or not',
    body: ImportOptions,
    report: reports.Import,
    long: true,
    takes: 'archive',
    changes: unlessDry,
    act: async ({ parts, body: { dryRun = false }, archive, emit }) => {
      const { bytes, size } = requireArchive(archive)
      return importData(parts.upkeep.context, bytes, { dryRun, size, emit })
    },
  }),
}

function requireArchive(archive: ArchiveBody | undefined): ArchiveBody {
  if (archive !== undefined) return archive
  throw refuse('the archive is missing: it is the body of the request')
}
