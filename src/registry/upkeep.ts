// Everything that keeps a data directory in order, put together for whoever asks: the admin API, the commands, the
// schedule. Only the keeper of the directory may call what changes something; each part refuses otherwise.
import type { Config } from '../config/schema.ts'
import type { Pins } from '../storage/pins.ts'
import { Mutex } from '../storage/mutex.ts'
import { PinReader } from '../storage/pin-reader.ts'
import type { BlobSource } from '../storage/check/source.ts'
import type { CheckReport } from './check.ts'
import { Checker } from './check.ts'
import type { CollectReport } from './collect.ts'
import { Collector } from './collect.ts'
import type { Context } from './context.ts'
import type { RemoveOptions, RemoveReport } from './remove-images.ts'
import { removeImages } from './remove-images.ts'
import type { RetentionProgress } from './retention.ts'
import type { RetentionReport } from './retention-report.ts'
import { applyRetention } from './retention.ts'

export interface Upkeep {
  readonly collector: Pick<Collector, 'run' | 'last' | 'running'>
  readonly checker: Pick<Checker, 'run' | 'start' | 'scrub'>
  readonly context: Context
  readonly pins: Pins
  /** Applies `retention.policies`: removes tags. */
  retain(
    options: { readonly dryRun: boolean },
    onProgress?: (progress: RetentionProgress) => void,
  ): Promise<RetentionReport>
  /** Removes the images that the patterns select. */
  remove(patterns: readonly string[], options: RemoveOptions): Promise<RemoveReport>
  /**
   * Ends at its next step whatever is under way and may write, and gives when it has; to be called before the lock is
   * freed. Afterwards nothing is removed any more.
   */
  close(): Promise<void>
}

export interface UpkeepParts {
  readonly context: Context
  readonly config: Pick<Config, 'gc' | 'retention' | 'check'>
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Whether clients are being served, whose leases collection must respect. */
  readonly serving: boolean
  /** Where a lost blob may be found besides here. */
  readonly sources?: readonly BlobSource[]
  /** Told of every check that ends. */
  readonly onChecked?: (report: CheckReport) => void
  /** Told of every collection that ends, but for dry runs; without a report it failed. */
  readonly onCollected?: (report: CollectReport | undefined) => void
}

export function createUpkeep(parts: UpkeepParts): Upkeep {
  const { context, config, clock, serving, sources = [] } = parts
  const { onCollected = () => undefined, onChecked = () => undefined } = parts
  const { store, closures, rules } = context
  // What removes asks before each step whether it may.
  let isClosing = false
  const readOnly = (): string | undefined => (isClosing ? 'the registry is closing' : rules.readOnly())
  const removing: Context = { ...context, rules: { ...rules, readOnly } }
  const underWay = new Set<Promise<unknown>>()
  // A dry run writes nothing and is not waited for.
  const followUnlessDry = async <T>(dryRun: boolean, begin: () => Promise<T>): Promise<T> => {
    const act = begin()
    if (!dryRun) underWay.add(act)
    try {
      return await act
    } finally {
      underWay.delete(act)
    }
  }
  const { gc, retention } = config
  const settings = {
    lease: gc.lease,
    grace: gc.grace,
    untagged: gc.untagged,
    // The first policy that matches a repository decides, also when it says nothing of untagged manifests.
    untaggedAfter: retention.policies.map(({ repositories, untaggedAfter = Infinity }) => ({
      repositories,
      age: untaggedAfter,
    })),
  }
  // Two of them at once would each count what the other removes.
  const turns = new Mutex()
  const collector = new Collector({ store, closures, rules, settings, clock, serving })
  const pins = new PinReader(store.layout, clock)
  const checker = new Checker({ store, closures, rules, settings: config.check, clock, sources })
  return {
    collector: {
      async run(options, onProgress) {
        try {
          const report = await collector.run(options, onProgress)
          if (!options.dryRun) onCollected(report)
          return report
        } catch (error) {
          if (!options.dryRun) onCollected(undefined)
          throw error
        }
      },
      get last() {
        return collector.last
      },
      get running() {
        return collector.running
      },
    },
    checker: {
      async run(options, onEvent, signal) {
        const report = await checker.run(options, onEvent, signal)
        onChecked(report)
        return report
      },
      start: (logger) => checker.start(logger),
      get scrub() {
        return checker.scrub
      },
    },
    context,
    pins: store.pins,
    retain: ({ dryRun }, onProgress) =>
      turns.run('retention', () =>
        followUnlessDry(dryRun || retention.dryrun, () =>
          applyRetention(
            removing,
            { policies: retention.policies, pulls: store.pulls, pins, clock, untagged: gc.untagged },
            { dryRun: dryRun || retention.dryrun },
            onProgress,
          ),
        ),
      ),
    remove: (patterns, options) => followUnlessDry(options.dryRun, () => removeImages(removing, patterns, options)),
    async close() {
      isClosing = true
      // Those that fail tell their callers.
      await Promise.allSettled([checker.close(), collector.close(), ...underWay])
      await store.mirrored.flush()
    },
  }
}
