// A sync as the admin API takes it and tells of it, as JSON Schemas. The types of what it tells are in mirror/sync/.
import Type from 'typebox'

const count = (description?: string) =>
  Type.Integer({ minimum: 0, ...(description === undefined ? {} : { description }) })
const text = (description: string, maxLength = 4096) => Type.String({ minLength: 1, maxLength, description })
const closed = { additionalProperties: false } as const
const optional = Type.Optional
const flag = (description: string) => optional(Type.Boolean({ default: false, description }))
const time = Type.String({ description: 'ISO 8601' })

/** Bytes of the largest sync file. */
export const LARGEST_SYNC_FILE = 4 * 1024 * 1024

export const SyncOptions = Type.Object(
  {
    file: optional(
      Type.Object(
        {
          text: text('the sync file itself', LARGEST_SYNC_FILE),
          path: text('its absolute path, which names the sync'),
        },
        {
          ...closed,
          description: 'a sync file; on the local socket only, since it names files of the server’s machine',
        },
      ),
    ),
    image: optional(
      Type.Object(
        {
          source: text('an image with its registry, such as docker.io/library/alpine:3.20'),
          destination: optional(text('the repository here, with a tag or without')),
          platforms: optional(
            Type.Array(Type.String({ minLength: 1, maxLength: 128 }), {
              description: 'such as linux/amd64',
              minItems: 1,
              maxItems: 100,
            }),
          ),
          referrers: optional(Type.Boolean({ default: true, description: 'signatures, SBOMs and attestations too' })),
        },
        { ...closed, description: 'one image in the place of a file' },
      ),
    ),
    id: optional(text('of a sync of mirror.sync, in the place of a file: it runs now', 256)),
    dryRun: flag('tell what would be done, and fetch nothing'),
    missing: flag('only what failed the last time'),
    confirmed: flag('remove what is gone even where that is more than prune.maxShare'),
  },
  closed,
)

const image = {
  from: Type.String({ description: 'as the upstream names it' }),
  to: Type.String({ description: 'the repository here' }),
  tag: optional(Type.String()),
  digest: optional(Type.String()),
  before: optional(Type.String({ description: 'what the tag led to' })),
  platforms: Type.Array(Type.String()),
  missingPlatforms: Type.Array(Type.String()),
  why: optional(Type.String()),
  bytes: count('fetched for this image and for none before it'),
}

export const SyncedImage = Type.Object({
  ...image,
  result: Type.Enum(['copied', 'moved', 'completed', 'here', 'kept', 'failed']),
  seconds: Type.Number({ minimum: 0 }),
})

export const UpstreamWait = Type.Object({
  host: Type.String({ description: 'the upstream that asks to wait' }),
  until: time,
  why: Type.String(),
})

const gone = {
  to: Type.String(),
  tags: Type.Array(Type.Object({ tag: Type.String(), digest: Type.String() })),
  share: Type.Number({ minimum: 0, maximum: 1, description: 'of the synced tags of the repository' }),
  maxShare: Type.Number({ minimum: 0, maximum: 1 }),
  isHeld: Type.Boolean({ description: 'more than maxShare: waits for confirmation' }),
}
const head = {
  id: Type.String({ description: 'names the sync among others' }),
  name: Type.String({ description: 'the file or the image' }),
  startedAt: time,
}

export const SyncReportSchema = Type.Object({
  dryRun: Type.Literal(false),
  ...head,
  seconds: Type.Number({ minimum: 0 }),
  outcome: Type.Enum(['done', 'partly', 'failed', 'stopped']),
  stoppedBy: optional(
    Type.Enum(['request', 'window', 'shutdown'], {
      description: 'a person, the end of its window, or of the registry',
    }),
  ),
  fault: optional(
    Type.Object(
      { message: Type.String(), hint: optional(Type.String()) },
      { description: 'what ended the run before its end' },
    ),
  ),
  images: Type.Array(SyncedImage),
  pruned: Type.Array(
    Type.Object({ ...gone, removed: Type.Array(Type.String({ description: 'tags' })), why: optional(Type.String()) }),
  ),
  counts: Type.Object({
    copied: count(),
    moved: count(),
    completed: count(),
    here: count(),
    kept: count(),
    failed: count(),
  }),
  blobs: count('that came from upstreams'),
  bytes: count('of them'),
  planned: Type.Object({ blobs: count(), bytes: count() }, { description: 'what was to be fetched' }),
})

export const SyncPlanSchema = Type.Object({
  dryRun: Type.Literal(true),
  ...head,
  images: Type.Array(
    Type.Object({
      ...image,
      state: Type.Enum(['new', 'moved', 'incomplete', 'here', 'kept', 'failed']),
      blobs: Type.Object({ fetch: count(), shared: count(), link: count() }),
      manifests: count(),
    }),
  ),
  gone: Type.Array(Type.Object(gone)),
  counts: Type.Object({
    new: count(),
    moved: count(),
    incomplete: count(),
    here: count(),
    kept: count(),
    failed: count(),
  }),
  blobs: count('to be fetched, each once'),
  bytes: count('of them'),
  begun: count('bytes of them that an earlier run left'),
  needs: count('bytes to be written'),
  free: Type.Number({ description: 'bytes that may be written' }),
  fits: Type.Boolean(),
})
