// The tree of a sync file: what to fetch from which registries, and when. docs/sync.schema.json is made from it.
import Type from 'typebox'
import type { Static } from 'typebox'
import { flag, list, OURS, shown } from './key.ts'
import type { Notes } from './key.ts'
import { credentials } from './schema-mirror.ts'

const optional = (notes: Notes) => Type.Optional(shown(undefined, notes))

const tags = Type.Object(
  {
    names: list(shown(undefined, { form: 'tagGlob', description: 'Tags, or patterns of tags such as "3.*".' })),
    allow: list(
      shown(undefined, { form: 'pattern', description: 'A regular expression that matches whole tags to take.' }),
    ),
    deny: list(
      shown(undefined, { form: 'pattern', description: 'A regular expression that matches whole tags to leave out.' }),
    ),
    semver: optional({ form: 'versionRange', description: 'A range of versions, such as ">=3.18" or "^1.2".' }),
    newest: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Of the tags that are left, only so many of the newest.' }),
    ),
    by: Type.Enum(['semver', 'date'], { default: 'semver', description: 'What makes a tag the newer one.' }),
  },
  {
    closed: OURS,
    listKey: 'names',
    description: 'Which tags; a tag must meet all that is said. Without it, all tags.',
  },
)

const prune = Type.Object(
  {
    maxShare: shown('10%', {
      form: 'share',
      description: 'When more than this share of the synced tags would go, none goes without confirmation.',
    }),
  },
  { closed: OURS, description: 'Removes tags that a sync brought and that are not meant any more.' },
)

// What an entry may say for itself, and `defaults` for all.
const common = {
  platforms: Type.Union([Type.Enum(['all']), Type.Array(shown(undefined, { form: 'platform' }), { minItems: 1 })], {
    description: 'Which platforms of an image; all of them where nothing is said.',
  }),
  referrers: Type.Optional(
    Type.Boolean({ description: 'Whether signatures, SBOMs and attestations come along; true where nothing is said.' }),
  ),
  schedule: optional({
    form: 'schedule',
    description: 'When it runs by itself: five fields of cron in local time, or off.',
  }),
  catchUp: Type.Optional(
    Type.Boolean({
      description: 'Whether a time that was missed while the registry was down is made up; true where nothing is said.',
    }),
  ),
  window: optional({ form: 'window', description: 'Times of the day at which it may run, such as "22:00-06:00".' }),
  prune: Type.Optional(prune),
  onlySigned: Type.Optional(Type.Boolean({ description: 'Takes only what the policy finds signed.' })),
  policy: optional({ description: 'A policy.json as containers/image reads it.' }),
}

const limits = {
  concurrency: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1000, description: 'Requests to one registry at a time.' }),
  ),
  bandwidth: optional({
    form: 'bytes',
    description: 'Bytes a second from one registry, such as 50MB/s; 0 is no limit.',
  }),
}

const registry = Type.Object(
  {
    credentials,
    url: list(shown(undefined, { form: 'upstream', description: 'Where it answers, if not at https://HOST.' })),
    ca: optional({ description: 'Certificates that it is trusted by, beside those of the system.' }),
    insecure: flag(false),
    origins: list(
      shown(undefined, { form: 'bareOrigin', description: 'Further origins that may see the credentials.' }),
    ),
    ...limits,
  },
  { closed: OURS },
)

const entry = Type.Object(
  {
    from: shown(undefined, {
      form: 'source',
      description: 'An image, a repository, or a registry that lists its repositories.',
    }),
    to: optional({
      form: 'repository',
      description:
        'The repository here; of a whole registry, what its repositories lie below. Without it, where a pull through the mirror puts it.',
    }),
    tag: optional({ form: 'tag', description: 'The tag here of the one image that from names.' }),
    repositories: list(shown(undefined, { form: 'glob', description: 'Which repositories of a whole registry.' })),
    tags: Type.Optional(tags),
    ...common,
  },
  { closed: OURS },
)

/** One entry of `sync`, as it is written. */
export type WrittenEntry = Static<typeof entry>

/** The tree of a sync file. */
export const SyncSchema = Type.Object(
  {
    version: Type.Enum(['1']),
    defaults: Type.Object({ ...common, ...limits }, { closed: OURS }),
    registries: Type.Record(Type.String(), registry, {
      default: {},
      description: 'What is said of a registry, by its name in images.',
    }),
    sync: Type.Array(entry, { minItems: 1 }),
  },
  { closed: OURS, description: 'What Tarn fetches from other registries, and when.' },
)

/** A sync file that is right key by key; defaults that come from `defaults` are not filled in yet. */
export type WrittenSync = Static<typeof SyncSchema>
