// The part of the configuration that opens connections outwards: Tarn's `mirror:` and distribution's `proxy:`. Neither
// is there by default, and a mirror without upstreams asks nobody.
import Type from 'typebox'
import type { Static } from 'typebox'
import { count, duration, flag, list, OURS, shown } from './key.ts'

const MINUTE = 60_000

/** How long a tag is good for without a look at its upstream, where nothing else is said. */
export const FRESH = [
  { tags: 'latest|main', for: MINUTE },
  { tags: '.*', for: 60 * MINUTE },
]

/** How Tarn shows a registry who it is; relative paths start at the file that names them. */
export const credentials = Type.Object(
  {
    authFile: Type.Optional(shown()),
    username: Type.Optional(shown()),
    passwordFile: Type.Optional(shown()),
  },
  { closed: OURS },
)

const upstream = Type.Object(
  {
    // The registry as image names spell it, which is also what containerd says in `ns`.
    host: shown(undefined, { form: 'registry' }),
    // Where its repositories live here; without it the host, with ":" written "_".
    path: Type.Optional(shown(undefined, { form: 'repository' })),
    // Tried in order; without any https://host.
    url: list(shown(undefined, { form: 'upstream' })),
    credentials,
    ca: Type.Optional(shown()),
    insecure: flag(false),
    // Further origins that may see the credentials.
    origins: list(shown(undefined, { form: 'bareOrigin' })),
    allow: list(shown(undefined, { form: 'glob' })),
    deny: list(shown(undefined, { form: 'glob' })),
    platforms: Type.Union([Type.Enum(['requested', 'all']), Type.Array(shown(undefined, { form: 'platform' }))], {
      default: 'requested',
    }),
    referrers: flag(true),
    fresh: Type.Array(
      Type.Object({ tags: shown(undefined, { form: 'pattern' }), for: duration(60 * MINUTE) }, { closed: OURS }),
      { default: FRESH },
    ),
    concurrency: count(8, { maximum: 1000 }),
    bandwidth: shown('0', { form: 'bytes' }),
  },
  { closed: OURS },
)

/** One item of `mirror.upstreams` that is no word. */
export type UpstreamEntry = Static<typeof upstream>

export const mirror = Type.Object(
  {
    offline: flag(false),
    anonymous: flag(false),
    cache: Type.Object({ maxBytes: shown('80%', { form: 'bound' }) }, { closed: OURS }),
    upstreams: Type.Union([Type.Enum(['well-known']), Type.Array(Type.Union([Type.Enum(['well-known']), upstream]))], {
      default: [],
    }),
    sync: Type.Array(
      Type.Object({ file: shown(undefined, { description: 'A sync file that runs by itself.' }) }, { closed: OURS }),
      { default: [] },
    ),
  },
  { closed: OURS },
)

/** distribution's pull-through cache of one upstream. */
export const proxy = Type.Object({
  remoteurl: Type.Optional(shown(undefined, { form: 'upstream' })),
  username: Type.Optional(shown()),
  password: Type.Optional(Type.String()),
  ttl: Type.Optional(Type.Number({ duration: true, minimum: 0 })),
})
