// What the log says of damage, whoever found it: a client's pull, a person's check. Each blob once, and of a check not
// more than a person reads.
import type { BaseLogger } from 'pino'
import { isNote } from '../storage/check/fault.ts'
import type { Suspect } from '../storage/verdicts.ts'
import type { CheckReport } from './check.ts'

type Log = Pick<BaseLogger, 'info' | 'warn'>

const MOST_LINES = 100

/** Says that a blob is refused from now on. */
export function logSuspect(logger: Log, { digest }: Suspect): void {
  logger.warn(
    { digest },
    'the bytes of a blob are not what its digest says: it is refused; heal it: tarn check --repair, or push it again',
  )
}

/** Says what a check found and what came of it. */
export function logCheck(logger: Log, { findings, unrepaired, ...report }: CheckReport): void {
  const damage = findings.filter(({ kind }) => !isNote(kind))
  for (const finding of damage.slice(0, MOST_LINES)) logger.warn(finding, `check: ${finding.what}`)
  const { seconds, fast, repair, blobs } = report
  const fields = { seconds, fast, repair, blobs, damage: damage.length, unrepaired }
  logger[unrepaired > 0 ? 'warn' : 'info'](fields, 'check done')
}
