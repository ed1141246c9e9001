// `POST /api/v1/sync`: one sync, from its order to its report.
import { dirname, isAbsolute } from 'node:path'
import Type from 'typebox'
import type { Static } from 'typebox'
import { Problem } from '../../config/problem.ts'
import { readArguments } from '../../mirror/sync/arguments.ts'
import type { SyncOrder } from '../../mirror/sync/order.ts'
import { orderFile, orderImage } from '../../mirror/sync/order.ts'
import type { SyncPlanReport, SyncReport } from '../../mirror/sync/report.ts'
import { refuse } from './check-options.ts'
import type { ApiParts } from './given.ts'
import { route } from './route.ts'
import { LARGEST_SYNC_FILE, SyncOptions, SyncPlanSchema, SyncReportSchema } from './sync-schemas.ts'

export const syncRoute = route({
  action: 'admin',
  summary: 'fetch from other registries what a sync file or a name of an image says',
  body: SyncOptions,
  report: Type.Union([SyncReportSchema, SyncPlanSchema]),
  long: true,
  // As JSON text may be longer than the text itself.
  largest: 2 * LARGEST_SYNC_FILE,
  changes: ({ dryRun = false }) => !dryRun,
  localOnly: ({ file }) =>
    file === undefined ? undefined : '"file" names files of the server’s machine: use the local socket, as tarn does',
  act: async ({ parts, body, emit }): Promise<SyncReport | SyncPlanReport> => {
    const { dryRun = false, missing = false, confirmed = false } = body
    const order = body.id === undefined ? readOrder(body) : findOrder(parts, body)
    const wishes = { missing, confirmed, onEvent: emit }
    return dryRun ? parts.sync().plan(order, wishes) : parts.sync().run(order, wishes)
  },
})

/** A sync that is scheduled here; throws 400 where there is none of this id. */
function findOrder({ syncs }: ApiParts, { id = '', file, image }: Static<typeof SyncOptions>): SyncOrder {
  if (file !== undefined || image !== undefined) throw refuse('"id" stands in the place of "file" and "image"')
  const order = syncs?.schedule?.find(id)
  if (order === undefined) throw refuse('no sync of this id is scheduled: GET /api/v1/sync lists them')
  return order
}

/** Throws 400 unless there is one order that can be understood. */
export function readOrder(options: Pick<Static<typeof SyncOptions>, 'file' | 'image'>): SyncOrder {
  try {
    return parseOrder(options)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    throw refuse(error.hint === undefined ? error.message : `${error.message} (${error.hint})`)
  }
}

function parseOrder({ file, image }: Pick<Static<typeof SyncOptions>, 'file' | 'image'>): SyncOrder {
  if ((file === undefined) === (image === undefined)) throw refuse('one of "file", "image" and "id" is needed')
  if (file !== undefined) {
    if (!isAbsolute(file.path)) throw refuse('"file.path" is no absolute path')
    return orderFile(file.text, file.path, dirname(file.path))
  }
  const { source = '', destination, platforms, referrers } = image ?? {}
  return orderImage(
    readArguments(source, destination, {
      ...(platforms !== undefined && { platforms }),
      ...(referrers !== undefined && { referrers }),
    }),
  )
}
