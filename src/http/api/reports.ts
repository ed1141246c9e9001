// The answers of the admin API as JSON Schemas, for its OpenAPI document. The types are where the acts are; a test
// compares real answers with these.
import Type from 'typebox'

const count = (description?: string) =>
  Type.Integer({ minimum: 0, ...(description === undefined ? {} : { description }) })
const time = Type.String({ description: 'ISO 8601', examples: ['2026-11-23T03:00:00.000Z'] })
const seconds = Type.Number({ minimum: 0 })
const optional = Type.Optional

const problems = Type.Array(
  Type.Object({ path: Type.String({ description: 'relative to the data directory' }), what: Type.String() }),
)

export const Progress = Type.Object({
  phase: Type.String({ description: 'the step under way' }),
  done: count(),
  total: optional(count('absent while it is not known')),
  bytes: optional(count('bytes read so far')),
})

export const Finding = Type.Object({
  kind: Type.String(),
  path: Type.String({ description: 'relative to the data directory' }),
  repository: optional(Type.String()),
  tag: optional(Type.String()),
  digest: optional(Type.String()),
  what: Type.String({ description: 'what is wrong, for people' }),
  outcome: Type.Enum(['found', 'healed', 'quarantined', 'removed']),
  by: optional(Type.String({ description: 'where the good copy came from' })),
})

export const Collect = Type.Object({
  startedAt: time,
  seconds,
  dryRun: Type.Boolean(),
  untagged: Type.Boolean(),
  repositories: Type.Object({ seen: count(), removed: count(), left: count('kept whole until the next time') }),
  manifests: Type.Object({ seen: count(), removed: count() }),
  links: Type.Object({ seen: count(), removed: count() }),
  blobs: Type.Object({
    seen: count(),
    bytes: count('of all blobs seen'),
    kept: count(),
    trashed: count('moved into the trash'),
    trashedBytes: count(),
    restored: count('given back from the trash'),
    deleted: count('deleted from the trash'),
    deletedBytes: count(),
  }),
  waiting: Type.Object({
    blobs: count('that nothing needs and that are too young to go'),
    bytes: count(),
    until: optional(Type.String({ description: 'when the youngest of them may go; RFC 3339' })),
  }),
  removed: Type.Object(
    {
      repositories: Type.Array(Type.String()),
      manifests: Type.Array(Type.String({ description: 'repository@digest' })),
      blobs: Type.Array(Type.String({ description: 'what went into the trash' })),
    },
    { description: 'what went, at most 10,000 of each; in a dry run what would go' },
  ),
  trash: Type.Object({ blobs: count('that lie in the trash now'), bytes: count() }),
  problems,
  complete: Type.Boolean({ description: 'false: blobs were not taken because something could not be read' }),
})

export const Check = Type.Object({
  startedAt: time,
  seconds,
  fast: Type.Boolean(),
  repair: Type.Boolean(),
  blobs: Type.Object({ checked: count(), bytes: count() }),
  manifests: Type.Object({ checked: count() }),
  links: Type.Object({ checked: count() }),
  repositories: Type.Object({ checked: count() }),
  findings: Type.Array(Finding),
  unrepaired: count('findings that are still wrong'),
})

export const Status = Type.Object({
  directory: Type.Object({ path: Type.String(), inode: Type.Integer() }),
  keeper: optional(
    Type.Object({
      pid: Type.Integer(),
      since: time,
      socket: optional(Type.String({ description: 'the path of the local socket' })),
    }),
  ),
  keeps: Type.Boolean({ description: 'whether this process keeps the directory' }),
  readOnly: optional(Type.String({ description: 'why nothing can be changed now' })),
  room: optional(
    Type.Object({
      state: Type.Enum(['ok', 'warn', 'stop']),
      free: count('bytes'),
      total: count('bytes'),
      freeInodes: Type.Union([count(), Type.Null()], { description: 'null where there is no limit' }),
      totalInodes: count(),
    }),
  ),
  collection: Type.Object({
    running: Type.Boolean(),
    last: Type.Union([Collect, Type.Null()]),
  }),
  scrub: Type.Object(
    {
      cursor: Type.String({ description: 'the last blob that was read; nothing between two passes' }),
      share: Type.Number({ minimum: 0, maximum: 1, description: 'how much of the pass is done' }),
      passStartedAt: optional(Type.Number({ description: 'milliseconds since 1970' })),
      lastPassEndedAt: optional(Type.Number({ description: 'milliseconds since 1970' })),
      checkedBytes: count('since the process began'),
      found: count('things found wrong since the process began'),
    },
    { description: 'the check in the background' },
  ),
  jobs: Type.Array(Type.Object({ job: Type.String(), startedAt: time, progress: optional(Progress) }), {
    description: 'what clients of this API began and is under way',
  }),
})

export const Pins = Type.Object({
  pins: Type.Array(
    Type.Object({
      id: Type.String(),
      reason: Type.String(),
      images: Type.Array(Type.String()),
      blobs: Type.Array(Type.String()),
    }),
  ),
  unreadable: Type.Array(Type.Object({ path: Type.String(), why: Type.String() })),
})

export const Done = Type.Object({
  id: Type.String(),
  done: Type.Boolean({ description: 'false when there was nothing to do' }),
})

export const Failure = Type.Object({
  errors: Type.Array(Type.Object({ code: Type.String(), message: Type.String() })),
})

export const Remove = Type.Object({
  dryRun: Type.Boolean(),
  repositories: Type.Array(
    Type.Object({
      name: Type.String(),
      whole: Type.Boolean({ description: 'whether the repository itself went' }),
      tags: Type.Array(Type.String()),
      manifests: Type.Array(Type.String({ description: 'digests' })),
    }),
  ),
  tags: count(),
  manifests: count(),
  freeable: Type.Object(
    { blobs: count(), bytes: count() },
    { description: 'what the next collections will free because of this' },
  ),
  refused: Type.Array(
    Type.Object({
      image: Type.String({ description: 'repository:tag or repository@digest' }),
      why: Type.Enum(['pinned', 'needed']),
    }),
  ),
  missing: Type.Array(Type.String(), { description: 'patterns that match nothing' }),
  problems,
})

export const Retention = Type.Object({
  startedAt: time,
  seconds,
  dryRun: Type.Boolean(),
  repositories: Type.Object({ seen: count(), judged: count(), left: count() }),
  tags: Type.Object({ seen: count(), kept: count(), removed: count() }),
  removed: Type.Array(
    Type.Object({
      repository: Type.String(),
      tag: Type.String(),
      digest: Type.String(),
      pushed: time,
      lastPulled: optional(time),
      why: Type.String(),
    }),
  ),
  keptBy: Type.Object({
    rules: Type.Array(Type.Object({ policy: count(), rule: count(), tags: count() })),
    pinned: count(),
    following: count('signatures and the like, whose subject stays'),
    changed: count('moved, pulled or pinned between the plan and the act'),
  }),
  manifests: Type.Object({ untagged: count(), collectable: count() }),
  problems,
})
