// Everything that keeps a data directory in order, put together for whoever asks: the admin API, the commands, the
// schedule. Only the keeper of the directory may call what changes something; each part refuses otherwise.
import type { Config } from '../config/schema.ts'
import type { Pins } from '../storage/pins.ts'
import { Mutex } from '../storage/mutex.ts'
import type { BlobSource } from '../storage/check/source.ts'
import { Checker } from './check.ts'
import type { CollectReport } from './collect.ts'
import { Collector } from './collect.ts'
import type { Context } from './context.ts'
import type { RemoveReport } from './remove-images.ts'
import { removeImages } from './remove-images.ts'
import type { RetentionProgress } from './retention.ts'
import type { RetentionReport } from './retention-report.ts'
import { applyRetention } from './retention.ts'

export interface Upkeep {
  readonly collector: Pick<Collector, 'run' | 'last' | 'running'>
  readonly checker: Checker
  readonly context: Context
  readonly pins: Pins
  /** Applies `retention.policies`: removes tags. */
  retain(
    options: { readonly dryRun: boolean },
    onProgress?: (progress: RetentionProgress) => void,
  ): Promise<RetentionReport>
  /** Removes the images that the patterns select. */
  remove(patterns: readonly string[], options: { readonly dryRun: boolean }): Promise<RemoveReport>
  /** Ends collections and checks under way at their next step, and gives when they have; to be called before the lock is freed. */
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
  /** Told of every collection that ends; without a report it failed. */
  readonly onCollected?: (report: CollectReport | undefined) => void
}

export function createUpkeep(parts: UpkeepParts): Upkeep {
  const { context, config, clock, serving, sources = [], onCollected = () => undefined } = parts
  const { store, closures, rules } = context
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
  const checker = new Checker({ store, closures, rules, settings: config.check, clock, sources })
  return {
    collector: {
      async run(options, onProgress) {
        try {
          const report = await collector.run(options, onProgress)
          onCollected(report)
          return report
        } catch (error) {
          onCollected(undefined)
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
    checker,
    context,
    pins: store.pins,
    retain: ({ dryRun }, onProgress) =>
      turns.run('retention', () =>
        applyRetention(
          context,
          { policies: retention.policies, pulls: store.pulls, pins: store.pins, clock, untagged: gc.untagged },
          { dryRun: dryRun || retention.dryrun },
          onProgress,
        ),
      ),
    remove: (patterns, options) => removeImages(context, patterns, options),
    async close() {
      checker.close()
      await collector.close()
    },
  }
}
