// The whole tree of the configuration: distribution's keys as Tarn uses them, and Tarn's own. Types, defaults,
// checks, variable names and what may be printed are all read from here; keys that Tarn takes but does not use
// are in unused.ts. No default may open a connection outwards or let somebody in.
import Type from 'typebox'
import type { Static } from 'typebox'
import { DEFAULT_FIELDS, DEFAULT_HEADERS } from './defaults.ts'
import { count, duration, flag, list, OURS, shown } from './key.ts'
import { mirror, proxy } from './schema-mirror.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
// Node's timers hold 31 bits of milliseconds, 24.8 days; what is longer would fire at once.
const TIMER = { maximum: 2_147_483_647 }
const checkTimes = {
  interval: duration(10_000, { zeroIsDefault: true, ...TIMER }),
  threshold: count(1, { minimum: 0, zeroIsDefault: true }),
}

const log = Type.Object({
  accesslog: Type.Object({ disabled: flag(false) }),
  level: Type.Enum(['error', 'warn', 'info', 'debug'], { default: 'info', foldCase: true }),
  formatter: Type.Enum(['text', 'json'], { default: 'text' }),
  fields: Type.Record(Type.String(), shown(), { default: DEFAULT_FIELDS }),
})

const storage = Type.Object(
  {
    filesystem: Type.Object({ rootdirectory: shown('/var/lib/registry') }),
    delete: Type.Object({ enabled: flag(false) }),
    maintenance: Type.Object({
      uploadpurging: Type.Object({
        enabled: flag(true),
        age: duration(7 * DAY),
        interval: duration(DAY, { minimum: 1000, ...TIMER }),
        dryrun: flag(false),
      }),
      readonly: Type.Object({ enabled: flag(false) }),
    }),
  },
  {
    anyCase: true,
    shorthand: true,
    closed: 'not a storage driver of Tarn, which has only filesystem',
  },
)

const auth = Type.Object(
  {
    htpasswd: Type.Optional(Type.Object({ realm: shown('Registry Realm', { form: 'realm' }), path: shown() })),
  },
  {
    anyCase: true,
    shorthand: true,
    closed: 'not a way of login that Tarn has, and without it the registry would be open',
  },
)

const tls = Type.Object({
  certificate: shown(),
  key: shown(),
  clientcas: list(shown()),
  clientauth: Type.Optional(shown()),
  minimumtls: Type.Enum(['tls1.2', 'tls1.3'], { default: 'tls1.2' }),
  ciphersuites: list(shown()),
})

const http = Type.Object({
  addr: shown(':5000'),
  net: Type.Enum(['tcp', 'unix'], { default: 'tcp' }),
  prefix: shown('/', { form: 'prefix' }),
  host: Type.Optional(shown(undefined, { form: 'origin' })),
  secret: Type.Optional(Type.String()),
  relativeurls: flag(false),
  draintimeout: duration(30_000, TIMER),
  headers: Type.Record(Type.String(), Type.Array(shown(undefined, { form: 'header' })), {
    default: DEFAULT_HEADERS,
  }),
  tls: Type.Optional(tls),
  debug: Type.Object({
    addr: Type.Optional(shown(undefined, { form: 'address' })),
    prometheus: Type.Object({ enabled: flag(false), path: shown('/metrics', { form: 'path' }) }),
  }),
  http2: Type.Object({ disabled: flag(true) }),
})

const health = Type.Object({
  storagedriver: Type.Object({
    enabled: flag(true),
    interval: duration(10_000, { zeroIsDefault: true, ...TIMER }),
    threshold: count(3, { minimum: 0, zeroIsDefault: true }),
  }),
  file: Type.Array(Type.Object({ file: shown(), ...checkTimes }), {
    default: [],
    goName: 'filecheckers',
  }),
  http: Type.Array(
    Type.Object({
      uri: Type.String({ form: 'uri' }),
      headers: Type.Record(Type.String(), Type.Array(Type.String({ form: 'header' })), {
        default: {},
      }),
      statuscode: count(200, { minimum: 0, maximum: 599, zeroIsDefault: true }),
      timeout: duration(5000, { zeroIsDefault: true, ...TIMER }),
      ...checkTimes,
    }),
    { default: [], goName: 'httpcheckers' },
  ),
  tcp: Type.Array(
    Type.Object({
      addr: shown(undefined, { form: 'target' }),
      timeout: duration(5000, { zeroIsDefault: true, ...TIMER }),
      ...checkTimes,
    }),
    { default: [], goName: 'tcpcheckers' },
  ),
})

const validation = Type.Object({
  disabled: flag(false),
  manifests: Type.Object({
    urls: Type.Object({
      allow: list(shown(undefined, { form: 'pattern' })),
      deny: list(shown(undefined, { form: 'pattern' })),
    }),
    indexes: Type.Object({
      platforms: Type.Enum(['none', 'all', 'list'], { default: 'none' }),
      platformlist: Type.Array(Type.Object({ architecture: shown(), os: shown() }), {
        default: [],
      }),
    }),
  }),
})

const access = Type.Object(
  {
    anonymous: Type.Enum(['none', 'pull'], { default: 'none' }),
    admins: list(shown()),
  },
  { closed: OURS },
)

const limits = Type.Object(
  {
    manifestBytes: count(4_194_304, { minimum: 65_536, maximum: 67_108_864 }),
    loginQueue: count(64, { maximum: 65_536 }),
    connections: count(1024, { maximum: 1_000_000 }),
    idleTimeout: duration(60_000, { minimum: 1000, ...TIMER }),
    uploads: Type.Object(
      {
        // Uploads to which nobody is sending at the moment, of one user and of all.
        perUser: count(100),
        total: count(1000),
        // An upload to which nothing came for so long is dropped.
        idle: duration(DAY, { minimum: 1000 }),
      },
      { closed: OURS },
    ),
    room: Type.Object(
      {
        // Free space under which /readyz says so, and under which no new upload is taken.
        warn: shown('10% 5GiB', { form: 'room' }),
        stop: shown('5% 1GiB', { form: 'room' }),
      },
      { closed: OURS },
    ),
  },
  { closed: OURS },
)

const gc = Type.Object(
  {
    schedule: shown('0 3 * * *', { form: 'schedule' }),
    untagged: flag(false),
    // How long an answer that says "it exists" is good for, and how old is what a collection takes.
    lease: duration(DAY),
    // How long what was collected lies in the trash before it is deleted. A bit less than a day, so that the collection
    // of one night finds over what the night before put there.
    grace: duration(23 * HOUR),
  },
  { closed: OURS },
)

const retention = Type.Object(
  {
    schedule: shown('30 2 * * *', { form: 'schedule' }),
    dryrun: flag(false),
    policies: Type.Array(
      Type.Object(
        {
          repositories: Type.Array(shown(undefined, { form: 'glob' }), { default: ['**'] }),
          // A tag is kept when one of the rules keeps it. Without rules all tags are kept.
          keep: Type.Array(
            Type.Object(
              {
                tags: shown('.*', { form: 'pattern' }),
                newest: Type.Optional(Type.Integer({ minimum: 1 })),
                by: Type.Enum(['date', 'semver'], { default: 'date' }),
                pulledWithin: Type.Optional(Type.Number({ duration: true, minimum: 0 })),
                pushedWithin: Type.Optional(Type.Number({ duration: true, minimum: 0 })),
              },
              { closed: OURS },
            ),
            { default: [] },
          ),
          // Untagged manifests that are older than this are collected, as by gc.untagged.
          untaggedAfter: Type.Optional(Type.Number({ duration: true, minimum: 0 })),
        },
        { closed: OURS },
      ),
      { default: [] },
    ),
  },
  { closed: OURS },
)

const check = Type.Object(
  {
    // The pass in the background that reads every blob again and again.
    enabled: flag(true),
    rate: shown('20MB', { form: 'bytes' }),
    within: duration(30 * DAY, { minimum: 1000 }),
  },
  { closed: OURS },
)

/** The tree of `config.yml`. */
export const ConfigSchema = Type.Object({
  version: Type.Enum(['0.1'], { default: '0.1' }),
  log,
  storage,
  auth,
  http,
  health,
  catalog: Type.Object({
    maxentries: count(1000, { minimum: -1_000_000_000, zeroIsDefault: true }),
  }),
  tags: Type.Object({ maxtags: count(1000, { minimum: -1_000_000_000, zeroIsDefault: true }) }),
  validation,
  access,
  limits,
  gc,
  retention,
  check,
  mirror: Type.Optional(mirror),
  proxy: Type.Optional(proxy),
})

/** A whole, checked configuration: every key with a default is there, times are milliseconds. */
export type Config = Static<typeof ConfigSchema>

/** The parts of a configuration that an embedder wants other than the defaults; times are milliseconds. */
export type ConfigInput = DeepPartial<Config>

type DeepPartial<T> = T extends readonly (infer Item)[]
  ? readonly DeepPartial<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]?: DeepPartial<T[Key]> }
    : T
