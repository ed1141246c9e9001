// A command's own way to other registries, where no running registry takes part: by the upstreams of its home.
import { randomBytes } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import pino from 'pino'
import type { LoadedConfig } from '../config/load.ts'
import { openOutward } from '../mirror/open-outward.ts'
import type { Outward } from '../mirror/outward.ts'
import type { CommandContext } from './context.ts'

/** What whoever goes outwards needs besides. */
export function outwardParts({ clock }: Pick<CommandContext, 'clock'>) {
  return { clock, logger: pino({ level: 'silent' }), random: randomBytes }
}

/** The directory of the home's configuration, which its relative paths begin from; undefined without one. */
export function directoryOf({ path }: Pick<LoadedConfig, 'path'>): string | undefined {
  return path === undefined ? undefined : dirname(resolve(path))
}

/** Opens no connection. */
export function openOwnOutward(home: LoadedConfig, context: Pick<CommandContext, 'clock'>): Outward {
  return openOutward(home.config, {
    ...outwardParts(context),
    home: directoryOf(home),
    shared: [],
    fetching: undefined,
  })
}
