// From the configuration to the schedule of its sync files; undefined where it names none.
import { resolve } from 'node:path'
import type { Config } from '../../config/schema.ts'
import { ScheduledFiles } from './scheduled-files.ts'
import type { SyncScheduleParts } from './schedule.ts'
import { SyncSchedule } from './schedule.ts'

export interface OpenScheduleParts extends Omit<SyncScheduleParts, 'files'> {
  /** The directory of the configuration file. */
  readonly home?: string | undefined
  readonly offline?: boolean | undefined
}

export function openSchedule(config: Config, { home = '.', offline = false, ...parts }: OpenScheduleParts) {
  const { mirror } = config
  const paths = (mirror?.sync ?? []).map(({ file }) => resolve(home, file))
  if (paths.length === 0) return undefined
  if (offline || mirror?.offline === true) {
    parts.logger.info({ files: paths }, 'offline: nothing is synced by itself')
    return undefined
  }
  return new SyncSchedule({ ...parts, files: new ScheduledFiles(paths, (message) => parts.logger.error(message)) })
}
