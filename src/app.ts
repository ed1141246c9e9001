// The only place where the parts of the registry are made and handed to each other.
import { randomBytes, randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import pino from 'pino'
import { createAuthenticator } from './auth/authenticator.ts'
import { createPolicy } from './auth/policy.ts'
import type { Trust } from './bundle/trust.ts'
import { readTrust, signersPath } from './bundle/trust.ts'
import { Holds } from './bundle/holds.ts'
import { isPushable } from './config/mirror.ts'
import { describeUnwritable } from './config/problem.ts'
import type { Config } from './config/schema.ts'
import { addApi } from './http/api/add-api.ts'
import { describeMirror } from './http/api/describe-mirror.ts'
import type { ApiParts } from './http/api/given.ts'
import { Jobs } from './http/api/jobs.ts'
import type { Surroundings } from './http/call.ts'
import { addDebugListener } from './http/debug.ts'
import { createGate } from './http/gate.ts'
import { addHealth } from './http/health.ts'
import { startHealthChecks } from './http/health-checks.ts'
import { keepDirectory } from './http/keep.ts'
import { createMetrics } from './http/metrics.ts'
import { watchEventLoop } from './http/event-loop.ts'
import { createReadiness } from './http/readiness.ts'
import type { AccessEntry } from './http/observe.ts'
import { createObserver } from './http/observe.ts'
import { addCommon, createServer } from './http/server.ts'
import { addSignatures } from './http/signatures.ts'
import type { SocketPlaces } from './http/socket-path.ts'
import { createTurn } from './http/turn.ts'
import { addV2 } from './http/v2.ts'
import { openMirror } from './mirror/open-mirror.ts'
import type { OpenMirrorParts } from './mirror/open-mirror.ts'
import { openSchedule } from './mirror/sync/open-schedule.ts'
import { openSync } from './mirror/sync/open-sync.ts'
import { openReleases } from './openshift/open-releases.ts'
import { SyncRuns } from './mirror/sync/runs.ts'
import type { CollectReport } from './registry/collect.ts'
import { logCheck, logSuspect } from './registry/log-damage.ts'
import { describeReadOnly } from './registry/rules.ts'
import { openParts } from './open-upkeep.ts'
import type { Context } from './registry/context.ts'
import type { Source } from './registry/source.ts'
import { localSource } from './registry/source.ts'
import type { Sync } from './storage/sync.ts'
import { readKeeper } from './storage/keeper.ts'
import { Keeping } from './storage/keeping.ts'
import { createLayout } from './storage/layout.ts'
import type { LeaseTable } from './storage/leases.ts'
import { openDirectory } from './storage/open-directory.ts'
import { countQuarantined } from './storage/quarantine.ts'
import { watchTls } from './tls/watch.ts'

/** What may be put in the place of the real thing: by tests, and `fastify` and `logger` by embedders. */
export interface Parts {
  readonly sync?: Sync | undefined
  /** Milliseconds since 1970. */
  readonly clock?: (() => number) | undefined
  readonly logger?: FastifyBaseLogger | undefined
  /** Takes the lines of the access log; without it they go to `logger`. */
  readonly access?: ((entry: AccessEntry) => void) | undefined
  /** An instance to register into, with its own server; without it one is made. */
  readonly fastify?: FastifyInstance | undefined
  /** Where a local socket may be for commands that need the keeper; without it there is none. */
  readonly localSocket?: SocketPlaces | undefined
  /** Where relative paths of `mirror:` begin: the configuration file's directory; else the working directory. */
  readonly home?: string | undefined
  /** No connection outwards, whatever the configuration says. */
  readonly offline?: boolean | undefined
  /** What answers in the place of the directory and the mirror. */
  readonly source?: ((context: Context) => Source) | undefined
  readonly leases?: LeaseTable | undefined
  readonly restores?: boolean | undefined
  /** For upstreams. */
  readonly upstream?: OpenMirrorParts['upstream']
}

// How often certificates are looked at; a new one is in use for new connections after this at the latest.
const TLS_EVERY_MS = 2000

/**
 * Builds the registry that `config` describes. The instance does not listen yet; closing it ends all that
 * was begun here. Throws a Problem for what a person must put right.
 */
export async function buildRegistry(config: Config, parts: Parts = {}): Promise<FastifyInstance> {
  const { clock = Date.now, logger = pino({ level: 'silent' }) } = parts
  const { access = (entry: AccessEntry) => logger.info(entry, 'request') } = parts
  const { limits } = config
  const directory = resolve(config.storage.filesystem.rootdirectory)
  const readOnly = config.storage.maintenance.readonly.enabled
  const layout = createLayout(directory)
  const state = openDirectory(layout)
  if (state.kind === 'forbidden' && !readOnly) throw describeUnwritable(state.path)

  const tls =
    parts.fastify === undefined && config.http.tls !== undefined
      ? watchTls({ config: config.http.tls, interval: TLS_EVERY_MS, clock, logger })
      : undefined
  const authenticator =
    config.auth.htpasswd &&
    createAuthenticator({ ...config.auth.htpasswd, clock, random: randomBytes, logger, loginQueue: limits.loginQueue })

  const common = { config, directory, logger, clock }
  const metrics = createMetrics(clock)
  const keeping = new Keeping({
    layout,
    clock,
    logger,
    mayWrite: state.kind === 'writable' && !readOnly,
    onKeep: () =>
      keepDirectory({
        ...common,
        api,
        mirror: mirror?.mirror,
        v2: surroundingsOfCommands,
        schedule,
        places: parts.localSocket,
        onListening: (path) => keeping.tellSocket(path),
      }),
  })
  const keeps = (): boolean => keeping.keeps
  const whyReadOnly = (): string | undefined => (keeps() ? undefined : describeReadOnly(readOnly))
  const onCollected = (report: CollectReport | undefined): void => metrics.collections.ended(report)
  let mirror: ReturnType<typeof openMirror>
  const { upkeep, ensureHome } = openParts(config, {
    ...parts,
    sources: [{ name: 'the upstream', open: async (...asked) => mirror?.mirror.healing.open(...asked) }],
    directory,
    keeps,
    whyReadOnly,
    clock,
    serving: true,
    onCollected,
    onChecked: (report) => logCheck(logger, report),
    onSuspect: (suspect) => logSuspect(logger, suspect),
  })
  const { context } = upkeep
  const { store } = context
  const outward = { ...parts, upkeep, keeps, clock, logger, random: randomBytes }
  mirror = openMirror(config, outward)
  const sync = openSync(config, { ...outward, mirror: mirror?.mirror, ensureHome })
  const runs = new SyncRuns({ open: () => sync.open(), clock })
  const schedule = openSchedule(config, { ...parts, runs, clock, logger, random: Math.random })
  const trust = (): Trust => readTrust(signersPath(config, parts.home), clock())
  const signers = (): Trust['signers'] => trust().signers
  const api: ApiParts = {
    upkeep,
    grace: config.gc.grace,
    jobs: new Jobs(clock),
    holds: new Holds(randomUUID),
    clock,
    mirror: () => mirror && describeMirror(mirror.mirror, clock()),
    trust,
    releases: () => openReleases({ context, outward: sync.outward, signers, clock, logger, random: randomBytes }),
    sync: () => runs,
    syncs: { runs, schedule },
    standing: () => ({
      directory: { path: directory, inode: statSync(directory).ino },
      keeper: readKeeper(layout),
      keeps: keeps(),
      readOnly: whyReadOnly(),
      room: store.room.read(),
    }),
  }
  const loop = watchEventLoop()
  const health = startHealthChecks(config.health)
  const certificateLeft = tls && (() => tls.endsAt() - clock())
  const readiness = createReadiness({
    store,
    keeps,
    checks: () => health.problems(),
    isStalled: () => loop.isStalled(),
    certificateLeft,
    lastCollection: () => metrics.collections.last,
    mirror: () => mirror?.mirror,
  })

  const app =
    parts.fastify ??
    createServer({
      logger,
      tls: tls?.loaded.server,
      idleTimeout: limits.idleTimeout,
      maxConnections: limits.connections,
    })
  const policy = createPolicy({ loginRequired: authenticator !== undefined, ...config.access })
  const prefix = config.http.prefix.replace(/\/+$/, '')
  const surroundings: Surroundings = {
    context,
    source: parts.source?.(context) ?? mirror?.mirror ?? localSource(context),
    resolve: mirror?.router.resolve ?? ((name) => name),
    prefix,
    base: (config.http.host ?? '').replace(/\/+$/, '') + prefix,
    turn: createTurn(),
    noPush: isPushable(config) ? undefined : 'nothing can be pushed or deleted: this is a proxy without a login',
    manifestLimit: limits.manifestBytes,
    pages: { catalog: config.catalog.maxentries, tags: config.tags.maxtags },
    mayPull: (user, name) => policy.decide(user === undefined ? 'anonymous' : { user }, 'pull', name) === 'allow',
  }
  // Commands mean what is here, by its own name, whatever stands behind it.
  const surroundingsOfCommands: Surroundings = {
    ...surroundings,
    source: localSource(context),
    resolve: (name) => name,
    prefix: '',
    base: '',
    noPush: undefined,
    mayPull: () => true,
  }
  // A host's own instance keeps its hooks and pages to itself: ours live in a scope of their own.
  const add = async (scope: FastifyInstance): Promise<void> => {
    const observer = createObserver(metrics, config.log.accesslog.disabled ? undefined : access)
    addCommon(scope, config.http.headers, observer)
    const gate = await createGate(scope, authenticator, policy)
    addV2(scope, surroundings, gate)
    addApi(scope, api, { prefix, host: config.http.host ?? '', gate })
    addSignatures(scope, gate, layout, prefix)
    // The pages for people and supervisors are the host's, where there is one.
    if (parts.fastify === undefined) addHealth(scope, gate, readiness, metrics, prefix)
  }
  if (parts.fastify === undefined) await add(app)
  else await app.register(add)

  if (parts.fastify === undefined) addDebugListener(app, config.http.debug, { readiness, metrics, logger })
  keeping.start()
  metrics.watchKeeper(keeps)
  metrics.watchKeeping({
    lastCollection: () => upkeep.collector.last,
    scrub: () => upkeep.checker.scrub,
    room: () => store.room.read(),
    uploads: () => store.uploads.open.count(),
    quarantined: () => countQuarantined(layout),
    suspects: () => store.verdicts.suspects().length,
    mirror: () => mirror?.mirror,
    sync: () => ({
      tally: runs.tally,
      running: runs.list().length,
      scheduled: schedule?.list() ?? [],
      problems: schedule?.problems().length ?? 0,
    }),
    ...(certificateLeft && { certificateLeft }),
  })
  if (tls !== undefined && 'setSecureContext' in app.server) {
    const { server } = app
    tls.start((secure) => (server as unknown as { setSecureContext(c: typeof secure): void }).setSecureContext(secure))
  }
  // Requests that wait for an upstream end first: closing waits for requests.
  app.addHook('preClose', async () => mirror?.mirror.leave())
  app.addHook('onClose', async () => {
    health.close()
    loop.close()
    tls?.close()
    await authenticator?.close()
    await mirror?.mirror.close()
    await sync.close()
    await upkeep.close()
    keeping.stop()
  })
  return app
}
