// The only place where the parts of the registry are made and handed to each other.
import { randomBytes, randomUUID } from 'node:crypto'
import { accessSync, constants } from 'node:fs'
import { resolve } from 'node:path'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import pino from 'pino'
import { createAuthenticator } from './auth/authenticator.ts'
import { createPolicy } from './auth/policy.ts'
import { describeUnwritable } from './config/problem.ts'
import type { Config } from './config/schema.ts'
import type { Surroundings } from './http/call.ts'
import { addDebugListener } from './http/debug.ts'
import { createGate } from './http/gate.ts'
import type { Readiness } from './http/health.ts'
import { addHealth } from './http/health.ts'
import { startHealthChecks } from './http/health-checks.ts'
import { createMetrics } from './http/metrics.ts'
import type { AccessEntry } from './http/observe.ts'
import { createObserver } from './http/observe.ts'
import { addCommon, createServer } from './http/server.ts'
import { createTurn } from './http/turn.ts'
import { addV2 } from './http/v2.ts'
import { Closures } from './registry/closures.ts'
import type { Context } from './registry/context.ts'
import { maintain } from './registry/maintain.ts'
import { makeRules } from './registry/rules.ts'
import type { Sync } from './storage/sync.ts'
import { Keeping } from './storage/keeping.ts'
import { createLayout } from './storage/layout.ts'
import { openDirectory } from './storage/open-directory.ts'
import type { Store } from './storage/store.ts'
import { openStore } from './storage/store.ts'
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
    createAuthenticator({
      ...config.auth.htpasswd,
      clock,
      random: randomBytes,
      logger,
      loginQueue: config.limits.loginQueue,
    })

  const keeping = new Keeping({
    layout,
    clock,
    logger,
    mayWrite: state.kind === 'writable' && !readOnly,
    onKeep: () => {
      store.durable.dropUnfinished()
      return maintain({ store, purging: config.storage.maintenance.uploadpurging, clock, logger })
    },
  })
  const store = openStore({ directory, keeps: () => keeping.keeps, clock, newId: randomUUID, sync: parts.sync })
  const metrics = createMetrics()
  const health = startHealthChecks(config.health)
  const context: Context = {
    store,
    closures: new Closures(store, clock),
    rules: makeRules(config, () => (keeping.keeps ? undefined : whyNot(readOnly))),
  }
  const readiness: Readiness = {
    async problems() {
      return [...describeProblems(store, keeping), ...health.problems()]
    },
    notes: () => (keeping.keeps ? [] : ['read-only']),
  }

  const app =
    parts.fastify ??
    createServer({
      logger,
      tls: tls?.loaded.server,
      idleTimeout: config.limits.idleTimeout,
      maxConnections: config.limits.connections,
    })
  const policy = createPolicy({
    loginRequired: authenticator !== undefined,
    anonymous: config.access.anonymous,
    admins: config.access.admins,
  })
  const prefix = config.http.prefix.replace(/\/+$/, '')
  const surroundings: Surroundings = {
    context,
    prefix,
    base: (config.http.host ?? '').replace(/\/+$/, '') + prefix,
    turn: createTurn(),
    manifestLimit: config.limits.manifestBytes,
    pages: { catalog: config.catalog.maxentries, tags: config.tags.maxtags },
    mayPull: (user, name) => policy.decide(user === undefined ? 'anonymous' : { user }, 'pull', name) === 'allow',
  }
  // A host's own instance keeps its hooks and pages to itself: ours live in a scope of their own.
  const add = async (scope: FastifyInstance): Promise<void> => {
    const observer = createObserver(metrics, config.log.accesslog.disabled ? undefined : access)
    addCommon(scope, config.http.headers, observer)
    const gate = await createGate(scope, authenticator, policy)
    addV2(scope, surroundings, gate)
    // The pages for people and supervisors are the host's, where there is one.
    if (parts.fastify === undefined) addHealth(scope, gate, readiness, metrics, prefix)
  }
  if (parts.fastify === undefined) await add(app)
  else await app.register(add)

  if (parts.fastify === undefined) addDebugListener(app, config.http.debug, { readiness, metrics, logger })
  keeping.start()
  metrics.watchKeeper(() => keeping.keeps)
  if (tls !== undefined && 'setSecureContext' in app.server) {
    const { server } = app
    tls.start((secure) => (server as unknown as { setSecureContext(c: typeof secure): void }).setSecureContext(secure))
  }
  app.addHook('onClose', async () => {
    health.close()
    tls?.close()
    await authenticator?.close()
    keeping.stop()
  })
  return app
}

function whyNot(maintenance: boolean): string {
  return maintenance
    ? 'the registry is read-only: storage.maintenance.readonly is enabled'
    : 'the registry is read-only: another process keeps its data directory, or it cannot be written'
}

function describeProblems({ layout, durable }: Store, keeping: Keeping): string[] {
  if (durable.failure !== undefined) return ['the disk of the data directory reports errors: nothing is written']
  try {
    accessSync(layout.root, keeping.keeps ? constants.R_OK | constants.W_OK : constants.R_OK)
    return []
  } catch {
    return [`the data directory cannot be ${keeping.keeps ? 'written' : 'read'}`]
  }
}
