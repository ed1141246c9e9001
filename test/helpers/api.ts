// The admin API over parts whose timing a test holds in its hands: an act lasts until the test ends it. What the acts
// themselves do is tested where they are, and through the commands with real directories.
import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import pino from 'pino'
import type { Test } from 'tap'
import type { Authenticator } from '../../src/auth/authenticator.ts'
import { createPolicy } from '../../src/auth/policy.ts'
import { Holds } from '../../src/bundle/holds.ts'
import { addApi } from '../../src/http/api/add-api.ts'
import type { ApiParts, Standing } from '../../src/http/api/given.ts'
import { Jobs } from '../../src/http/api/jobs.ts'
import { createGate } from '../../src/http/gate.ts'
import { addCommon, createServer } from '../../src/http/server.ts'
import type { CheckReport, Finding } from '../../src/registry/check.ts'
import type { CollectOptions, CollectReport, Progress } from '../../src/registry/collect.ts'
import type { Upkeep } from '../../src/registry/upkeep.ts'
import type { PinList } from '../../src/storage/pins.ts'
import { PASSWORD, USERNAME } from './login.ts'

export const NO_COLLECTION: CollectReport = {
  startedAt: '2026-11-23T03:00:00.000Z',
  seconds: 1,
  dryRun: false,
  untagged: false,
  repositories: { seen: 0, removed: 0, left: 0 },
  manifests: { seen: 0, removed: 0 },
  links: { seen: 0, removed: 0 },
  blobs: {
    seen: 0,
    bytes: 0,
    kept: 0,
    trashed: 0,
    trashedBytes: 0,
    restored: 0,
    deleted: 0,
    deletedBytes: 0,
  },
  waiting: { blobs: 0, bytes: 0 },
  removed: { repositories: [], manifests: [], blobs: [] },
  trash: { blobs: 0, bytes: 0 },
  problems: [],
  complete: true,
}

export const NO_FINDINGS: CheckReport = {
  startedAt: '2026-11-23T03:00:00.000Z',
  seconds: 1,
  fast: false,
  repair: false,
  blobs: { checked: 0, bytes: 0 },
  manifests: { checked: 0 },
  links: { checked: 0 },
  repositories: { checked: 0 },
  findings: [],
  unrepaired: 0,
}

export interface Acts {
  readonly collect?: (options: CollectOptions, onProgress: (progress: Progress) => void) => Promise<CollectReport>
  readonly check?: (onEvent: (event: Progress | Finding) => void) => Promise<CheckReport>
  readonly standing?: Partial<Standing>
  readonly pins?: PinList
}

/** Parts of the API whose acts are these. */
export function makeApiParts({ collect, check, standing, pins }: Acts = {}): ApiParts {
  const upkeep = {
    collector: { run: collect ?? (async () => NO_COLLECTION), last: undefined, running: false },
    checker: {
      run: async (_options: unknown, onEvent: (event: Progress | Finding) => void) => check?.(onEvent) ?? NO_FINDINGS,
      scrub: { cursor: '', share: 0, checkedBytes: 0, found: 0 },
    },
    pins: { list: () => pins ?? { pins: [], unreadable: [] }, add: async () => undefined, remove: async () => false },
    remove: async () => ({}),
    retain: async () => ({}),
  } as unknown as Upkeep
  return {
    upkeep,
    grace: 86_400_000,
    jobs: new Jobs(Date.now),
    trust: () => ({ signers: undefined, now: 0, key: '/nonexistent' }),
    holds: new Holds(randomUUID),
    clock: Date.now,
    sync: () => ({
      plan: () => Promise.reject(new Error('nothing is synced here')),
      run: () => Promise.reject(new Error('nothing is synced here')),
      lastReport: () => undefined,
      lastReports: async () => [],
    }),
    releases: () => {
      throw new Error('there are no releases here')
    },
    standing: () => ({
      directory: { path: '/data', inode: 1 },
      keeper: undefined,
      keeps: true,
      readOnly: undefined,
      room: undefined,
      ...standing,
    }),
  }
}

/** Serves the API on a loopback port behind the gate, whose administrators are `admins`; without them, without login. */
export async function serveApi(t: Test, parts: ApiParts, admins?: readonly string[], host = ''): Promise<string> {
  const logger = pino({ level: 'silent' })
  const app = createServer({ logger, tls: undefined, idleTimeout: 5000, maxConnections: 10 })
  t.teardown(() => app.close())
  addCommon(app, {}, { started: () => undefined, ended: () => undefined })
  const verify: Authenticator['verify'] = async (_user, password) => password === PASSWORD
  const authenticator = admins && { realm: 'Registry', recall: () => false, verify, close: async () => undefined }
  const policy = createPolicy({ loginRequired: admins !== undefined, anonymous: 'pull', admins: admins ?? [] })
  const gate = await createGate(app, authenticator, policy)
  addApi(app, parts, { prefix: '', host, gate })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

export const ADMIN = { username: USERNAME, password: PASSWORD }

/** The lines of a stream of events. */
export function eventsOf(body: Buffer): Record<string, unknown>[] {
  return body
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
