// `tarn sync … PLACE`: into another registry, an OCI layout, or a directory as oc writes it, by this process alone: the
// data directory takes no part.
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rmdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import pino from 'pino'
import type { LoadedConfig } from '../config/load.ts'
import { Problem } from '../config/problem.ts'
import { parseImageSource } from '../config/image-source.ts'
import type { ImageSource } from '../config/image-source.ts'
import type { SyncRegistry } from '../config/sync-file.ts'
import type { ImageTarget } from '../exchange/image-target.ts'
import { openFileTarget } from '../exchange/open-target.ts'
import type { Place } from '../exchange/place.ts'
import { parsePlace } from '../exchange/place.ts'
import { registrySource } from '../exchange/registry-source.ts'
import { registryTarget } from '../exchange/registry-target.ts'
import type { ElsewherePlan, ElsewhereReport } from '../exchange/elsewhere-report.ts'
import { syncElsewhere } from '../exchange/sync-elsewhere.ts'
import { openOutward } from '../mirror/open-outward.ts'
import type { Outward } from '../mirror/outward.ts'
import { openPush } from '../mirror/open-push.ts'
import type { SyncOrder } from '../mirror/sync/order.ts'
import type { SyncEvent } from '../mirror/sync/report.ts'
import { Room } from '../storage/room.ts'
import { openFetcher } from '../upstream/fetch-small.ts'
import type { CommandContext } from './context.ts'

export type Elsewhere =
  | { readonly kind: 'registry'; readonly at: ImageSource }
  | { readonly kind: 'files'; readonly place: Place }

const REGISTRY = 'docker://'

/** Undefined for what is no place but a repository of this registry. Throws a Problem for a place that cannot be. */
export function parseElsewhere(text: string): Elsewhere | undefined {
  if (!text.startsWith(REGISTRY)) {
    const place = parsePlace(text)
    return place && { kind: 'files', place }
  }
  const at = parseImageSource(text.slice(REGISTRY.length))
  if (at !== undefined && at.digest === undefined) return { kind: 'registry', at }
  throw new Problem(`${text} names no place in a registry`, {
    hint: 'write docker://HOST, docker://HOST/REPOSITORY or docker://HOST/REPOSITORY:TAG',
    exitCode: 2,
  })
}

export interface ElsewhereOptions {
  readonly to: Elsewhere
  /** Whether the place names the repository itself, and not what stands before it. */
  readonly exact: boolean
  readonly dryRun: boolean
  /** What failed the last time, where nothing else is to be tried. */
  readonly only: ReadonlySet<string> | undefined
  /** Of the registry that is pushed to, beside what the configuration says. */
  readonly registry: SyncRegistry
  /** Ends the run with its report. */
  readonly signal: AbortSignal
  readonly onEvent: (event: SyncEvent) => void
}

/** Until `end` SIGINT and SIGTERM abort the signal: one for all that a command does, so that none of it begins after them. */
export function stopBySignals(): { readonly signal: AbortSignal; readonly end: () => void } {
  const stop = new AbortController()
  const abort = (): void =>
    stop.abort(new Problem('the sync was stopped', { hint: 'give the command again: what is there is not sent again' }))
  for (const signal of SIGNALS) process.once(signal, abort)
  return {
    signal: stop.signal,
    end: () => {
      for (const signal of SIGNALS) process.off(signal, abort)
    },
  }
}

/** Carries the order out; what is there when the signal ends it stays. Throws a Problem for what a person must mend. */
export async function syncToPlace(
  order: SyncOrder,
  { to, exact, dryRun, only, registry, signal, onEvent }: ElsewhereOptions,
  { config, path }: LoadedConfig,
  { clock }: Pick<CommandContext, 'clock'>,
): Promise<ElsewhereReport | ElsewherePlan> {
  const logger = pino({ level: 'silent' })
  const common = { clock, logger, random: randomBytes }
  const home = path === undefined ? undefined : dirname(resolve(path))
  const outward = openOutward(config, { ...common, home, shared: [], fetching: undefined })
  const why = outward.forbidden()
  if (why !== undefined)
    throw new Problem(`nothing can be synced: ${why}`, { hint: 'a sync connects to other registries' })
  const upstreams = outward.openUpstreams(saidOf(order, to, registry), order.limits)
  const fetcher = openFetcher({ reach: 'anywhere' })
  const isNew = to.kind === 'files' && !existsSync(to.place.path)
  let target: ImageTarget | undefined
  // A directory is whole after every image, an archive only at its end; what never began leaves nothing.
  let hasBegun = false
  const isArchive = to.kind === 'files' && to.place.kind.endsWith('archive')
  const closeTarget = async (keeps: boolean): Promise<void> => {
    const closing = target
    target = undefined
    await (keeps || closing?.discard === undefined ? closing?.close() : closing.discard())
  }
  try {
    target = await openPlace(to, upstreams, common)
    const report = await syncElsewhere(order, {
      target,
      prefix: to.kind === 'registry' && !exact ? (to.at.repository ?? '') : '',
      isForOne: to.kind === 'files' && to.place.name !== undefined,
      upstreams,
      fetcher,
      free: () => (to.kind === 'files' ? freeAt(to.place) : undefined),
      only,
      dryRun,
      clock,
      elapsed: () => performance.now(),
      random: () => randomBytes(1).readUInt8() / 255,
      signal,
      onEvent: (event) => {
        hasBegun ||= 'phase' in event && event.phase === 'fetch'
        onEvent(event)
      },
    })
    const isWhole = !report.dryRun && ['done', 'partly'].includes(report.outcome)
    await closeTarget(isWhole || (hasBegun && !isArchive))
    return report
  } finally {
    // What was begun and failed is closed as far as it goes; the failure itself says more.
    await closeTarget(hasBegun && !isArchive).catch(() => undefined)
    if (isNew && !hasBegun && to.kind === 'files') await rmdir(to.place.path).catch(() => undefined)
    await Promise.all([upstreams.close(), fetcher.close()])
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** Bytes that may be written there; undefined where the file system does not say. */
function freeAt({ kind, path }: Place): number | undefined {
  try {
    const free = new Room(kind.endsWith('archive') ? dirname(resolve(path)) : path).spare()
    return Number.isFinite(free) ? free : undefined
  } catch {
    return undefined
  }
}

function saidOf({ registries }: SyncOrder, to: Elsewhere, registry: SyncRegistry): SyncOrder['registries'] {
  if (to.kind !== 'registry' || Object.keys(registry).length === 0) return registries
  const { host } = to.at
  return new Map([...registries, [host, { ...registries.get(host), ...registry }]])
}

async function openPlace(
  to: Elsewhere,
  upstreams: ReturnType<Outward['openUpstreams']>,
  parts: Parameters<typeof openPush>[1],
): Promise<ImageTarget> {
  if (to.kind === 'files') return openFileTarget(to.place)
  const upstream = upstreams.find(to.at.host)
  // Whoever opened the client that reads closes it.
  const reader = { ...registrySource({ client: upstream.client }), close: async () => undefined }
  return registryTarget({ client: openPush(upstream, parts), reader })
}
