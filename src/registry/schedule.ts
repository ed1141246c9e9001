// When the keeper of a directory looks after it by itself: retention, then collection, on the clock; the slow reading of
// every blob all the time. An act that fails is logged and tried again at its next time, never fatal.
import { Cron } from 'croner'
import type { BaseLogger } from 'pino'
import type { Config } from '../config/schema.ts'
import type { Upkeep } from './upkeep.ts'

export interface ScheduleParts {
  readonly upkeep: Pick<Upkeep, 'collector' | 'retain' | 'checker' | 'context'>
  readonly config: Pick<Config, 'gc' | 'retention' | 'check'>
  readonly logger: Pick<BaseLogger, 'info' | 'warn' | 'error'>
}

const PULLS_EVERY_MS = 60_000

/** Begins; gives the function that ends it. */
export function scheduleUpkeep({ upkeep, config, logger }: ScheduleParts): () => void {
  const jobs: Cron[] = []
  const plan = (pattern: string, what: string, act: () => Promise<void>): void => {
    if (pattern === 'off') return
    // Two at once would do the same work twice.
    const options = {
      unref: true,
      protect: true,
      catch: (error: unknown) => logger.error({ err: error }, `${what} failed`),
    }
    jobs.push(new Cron(pattern, options, act))
  }

  if (config.retention.policies.length > 0) {
    plan(config.retention.schedule, 'retention', async () => {
      const { removed, problems, ...report } = await upkeep.retain({ dryRun: false })
      const [level, words] =
        problems.length > 0 ? (['warn', 'retention met problems'] as const) : (['info', 'retention done'] as const)
      logger[level]({ ...report, problems: problems.slice(0, 20) }, words)
      for (const tag of removed)
        logger.info(tag, report.dryRun ? 'retention would remove a tag' : 'retention removed a tag')
    })
  }
  plan(config.gc.schedule, 'collection', async () => {
    const { problems, ...report } = await upkeep.collector.run({ dryRun: false })
    const level = report.complete && problems.length === 0 ? 'info' : 'warn'
    // A damaged mirror can have thousands of them; `tarn check` names them all.
    logger[level](
      { ...report, problems: problems.slice(0, 20), moreProblems: Math.max(0, problems.length - 20) },
      'collection done',
    )
  })
  const endCheck = config.check.enabled ? upkeep.checker.start(logger) : undefined
  const { pulls } = upkeep.context.store
  const flush = setInterval(() => void pulls.flushGently(), PULLS_EVERY_MS).unref()
  return () => {
    for (const job of jobs) job.stop()
    endCheck?.()
    clearInterval(flush)
    pulls.flush()
  }
}
