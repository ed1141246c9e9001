// The routes of the admin API, all of them: what each takes, does and gives. Nothing here knows of HTTP.
import Type from 'typebox'
import type { Static } from 'typebox'
import { collectFully } from '../../registry/collect-fully.ts'
import { PIN_ID, formatPinned, parsePin } from '../../storage/pins.ts'
import { MirrorReport, describeMirror } from './describe-mirror.ts'
import { checkOptions, readDuration, refuse } from './check-options.ts'
import { describeApi } from './openapi.ts'
import * as reports from './reports.ts'
import { SIGNATURE_ROUTES } from './signature-routes.ts'
import { ARCHIVE_ROUTES } from './archive-routes.ts'
import { BUNDLE_ROUTES } from './bundle-routes.ts'
import type { ActEvent, ApiParts, ArchiveBody } from './given.ts'
import type { Route } from './route.ts'
import { route } from './route.ts'
import { checkReleaseNames, RELEASE_ROUTES } from './release-routes.ts'
import { readOrder, syncRoute } from './sync-route.ts'
import { stopSyncRoute, syncStatusRoute } from './sync-status.ts'

const closed = { additionalProperties: false } as const
const flag = (description: string) => Type.Optional(Type.Boolean({ default: false, description }))
const duration = (description: string) =>
  Type.Optional(Type.String({ description, examples: ['24h', '90m', '0s'], maxLength: 64 }))
const texts = (description: string, least = 0) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), { description, minItems: least, maxItems: 1000 })
const pinId = Type.String({ pattern: PIN_ID, description: 'the name of the pin' })
const dryRun = flag('tell what would be done, and do nothing')

const Nothing = Type.Object({}, closed)
const GcOptions = Type.Object(
  {
    dryRun,
    untagged: Type.Optional(
      Type.Boolean({ description: 'collect manifests without a tag too; default: gc.untagged of the configuration' }),
    ),
    olderThan: duration('take only what is older; a running registry takes nothing younger than gc.lease'),
    grace: duration('how long what was taken lies in the trash; 0s deletes it now; default: gc.grace'),
  },
  closed,
)
const CheckOptions = Type.Object(
  {
    repair: flag('heal what can be healed, quarantine the rest'),
    fast: flag('look at sizes and links without reading every blob'),
    repositories: Type.Optional(texts('the repositories to check, globs too; default: all')),
    from: Type.Optional(
      texts(
        'data directories, tars of them, directories of tars, on the server’s machine to heal from; only on the socket',
      ),
    ),
  },
  closed,
)
const RmOptions = Type.Object(
  { images: texts('repository, repository:tag or repository@digest, globs too', 1), dryRun },
  closed,
)
const RetentionOptions = Type.Object({ dryRun }, closed)
const PinOptions = Type.Object(
  {
    id: pinId,
    reason: Type.Optional(Type.String({ maxLength: 1024, description: 'why, for people' })),
    images: Type.Optional(texts('repository:tag or repository@digest')),
    blobs: Type.Optional(texts('digests')),
  },
  closed,
)
const UnpinOptions = Type.Object({ id: pinId }, closed)

const never = (): boolean => false
const always = (): boolean => true
const unlessDry = ({ dryRun = false }: { dryRun?: boolean }): boolean => !dryRun

export const ROUTES = {
  'GET /status': route({
    action: 'admin',
    summary: 'who keeps the data directory, room, the last collection, the background check, jobs under way',
    body: Nothing,
    report: reports.Status,
    long: false,
    changes: never,
    act: async ({ parts: { upkeep, standing, jobs } }) => ({
      ...standing(),
      collection: { running: upkeep.collector.running, last: upkeep.collector.last ?? null },
      scrub: upkeep.checker.scrub,
      jobs: jobs.list(),
    }),
  }),
  'GET /mirror': route({
    action: 'admin',
    summary: 'upstreams and how they answer, blobs and images on their way, what was counted',
    body: Nothing,
    report: MirrorReport,
    long: false,
    changes: never,
    act: async ({ parts }) => parts.mirror?.() ?? describeMirror(undefined, 0),
  }),
  'POST /gc': route({
    action: 'admin',
    summary: 'collect what nothing needs any more',
    body: GcOptions,
    report: reports.Collect,
    long: true,
    changes: unlessDry,
    act: async ({ parts, body, emit }) => {
      const { dryRun = false, untagged } = body
      const olderThan = readDuration('olderThan', body.olderThan)
      const grace = readDuration('grace', body.grace)
      const options = {
        dryRun,
        ...(untagged === undefined ? {} : { untagged }),
        ...(olderThan === undefined ? {} : { olderThan }),
        grace: grace ?? parts.grace,
      }
      return collectFully(parts.upkeep.collector, options, emit)
    },
  }),
  'POST /check': route({
    action: 'admin',
    summary: 'read everything and compare it with its digests',
    body: CheckOptions,
    report: reports.Check,
    long: true,
    changes: ({ repair = false }) => repair,
    localOnly: ({ from = [] }) =>
      from.length === 0 ? undefined : '"from" names files of the server’s machine: use the local socket, as tarn does',
    act: async ({ parts, body: { repair = false, fast = false, repositories = [], from = [] }, emit }) =>
      parts.upkeep.checker.run({ repair, fast, repositories, from }, emit),
  }),
  'POST /rm': route({
    action: 'admin',
    summary: 'remove tags, manifests and repositories',
    body: RmOptions,
    report: reports.Remove,
    long: true,
    changes: unlessDry,
    act: async ({ parts, body: { images, dryRun = false } }) => parts.upkeep.remove(images, { dryRun }),
  }),
  'POST /retention': route({
    action: 'admin',
    summary: 'apply retention.policies of the configuration',
    body: RetentionOptions,
    report: reports.Retention,
    long: true,
    changes: unlessDry,
    act: async ({ parts, body: { dryRun = false }, emit }) => parts.upkeep.retain({ dryRun }, emit),
  }),
  'GET /sync': syncStatusRoute,
  'POST /sync': syncRoute,
  'DELETE /sync': stopSyncRoute,
  'GET /pins': route({
    action: 'admin',
    summary: 'what is pinned',
    body: Nothing,
    report: reports.Pins,
    long: false,
    changes: never,
    act: async ({ parts }) => {
      const { pins, unreadable } = parts.upkeep.pins.list()
      return {
        pins: pins.map(({ id, reason, images, blobs }) => ({ id, reason, images: images.map(formatPinned), blobs })),
        unreadable,
      }
    },
  }),
  'POST /pins': route({
    action: 'admin',
    summary: 'pin images and blobs, in the place of an earlier pin of that name',
    body: PinOptions,
    report: reports.Done,
    long: false,
    changes: always,
    act: async ({ parts, body: { id, ...pin } }) => {
      await parts.upkeep.pins.add(id, readPin(pin))
      return { id, done: true }
    },
  }),
  'DELETE /pins': route({
    action: 'admin',
    summary: 'take a pin away',
    body: UnpinOptions,
    report: reports.Done,
    long: false,
    changes: always,
    act: async ({ parts, body: { id } }) => ({ id, done: await parts.upkeep.pins.remove(id) }),
  }),
  ...ARCHIVE_ROUTES,
  ...BUNDLE_ROUTES,
  ...RELEASE_ROUTES,
  ...SIGNATURE_ROUTES,
  'GET /openapi.json': route({
    action: 'admin',
    summary: 'this document',
    body: Nothing,
    report: Type.Object({}),
    long: false,
    changes: never,
    act: async (): Promise<object> => describeApi(ROUTES),
  }),
}

export type RouteName = keyof typeof ROUTES
export type OptionsOf<Name extends RouteName> = Static<(typeof ROUTES)[Name]['body']>
export type ReportOf<Name extends RouteName> = Awaited<ReturnType<(typeof ROUTES)[Name]['act']>>

/** Whether there is such a route: `POST /gc`. */
export function isRouteName(text: string): text is RouteName {
  return Object.hasOwn(ROUTES, text)
}

/** One call, its options checked, ready to be carried out once. */
export interface Prepared {
  readonly route: Route
  /** Whether it wants to change something. */
  readonly changes: boolean
  /** Why it is for the local socket only, if it is. */
  readonly localOnly: string | undefined
  act(parts: ApiParts, emit: (event: ActEvent) => void, archive?: ArchiveBody): Promise<unknown>
}

/** Checks the options of a call. Throws 400 that names what is wrong with them. */
export function prepareCall(name: RouteName, options: unknown): Prepared {
  // The table is the one place that knows which options belong to which act.
  const route = ROUTES[name] as unknown as Route
  const body = checkOptions(route.body, options) as Record<string, unknown>
  readDuration('olderThan', body['olderThan'] as string | undefined)
  readDuration('grace', body['grace'] as string | undefined)
  if (name === 'POST /pins') readPin(body)
  if (Object.hasOwn(RELEASE_ROUTES, name)) checkReleaseNames(body)
  if (name === 'POST /sync' && body['id'] === undefined) readOrder(body)
  return {
    route,
    changes: route.changes(body),
    localOnly: route.localOnly?.(body),
    act: (parts, emit, archive) => route.act({ parts, body, emit, archive }),
  }
}

function readPin({ reason = '', images = [], blobs = [] }: { reason?: unknown; images?: unknown; blobs?: unknown }) {
  try {
    return parsePin(JSON.stringify({ reason, images, blobs }))
  } catch (error) {
    throw refuse((error as Error).message)
  }
}
