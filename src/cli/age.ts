// Times on the command line: Go's durations as in config.yml, and days.
import { InvalidArgumentError } from 'commander'
import { parseDuration } from '../config/duration.ts'

const DAY_MS = 86_400_000

/** Milliseconds of `36h`, `90m`, `7d`, `1d12h`, `0`; throws commander's error for what is none. */
export function parseAge(text: string): number {
  const [, days, rest = ''] = /^(?:(\d+)d)?(.*)$/s.exec(text) ?? []
  const time = days !== undefined && rest === '' ? 0 : parseDuration(rest)
  if (time === undefined || time < 0 || /^[-+]/.test(rest)) {
    throw new InvalidArgumentError('a time is written as 36h, 90m, 7d or 0s.')
  }
  return Number(days ?? 0) * DAY_MS + time
}
