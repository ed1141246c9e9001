// When a line of cron comes true. Its five fields are in local time, as in every crontab.
import { Cron } from 'croner'

/** The next time after `after`, both in milliseconds since 1970; undefined when there is none. */
export function nextTime(pattern: string, after: number): number | undefined {
  if (pattern === 'off') return undefined
  return new Cron(pattern, { paused: true }).nextRun(new Date(after))?.getTime()
}
