// `data:` of `tarn import`: a whole data directory, or a tar of one, as one stream into the registry of the home.
import { statSync } from 'node:fs'
import { findDataDirectory, measureDirectory, tarDirectory } from '../bundle/directory-tar.ts'
import { isWhole } from '../bundle/import-data.ts'
import { Problem } from '../config/problem.ts'
import type { ActEvent } from '../http/api/given.ts'
import type { ReportOf } from '../http/api/routes.ts'
import { openArchive } from './archive-file.ts'
import type { Reached } from './reach.ts'
import { formatBytes, formatCount, formatTable } from './table.ts'

export type DataReport = ReportOf<'POST /import/data'>

export interface DataOptions {
  readonly reached: Reached
  readonly dryRun: boolean
  readonly onEvent: (event: ActEvent) => void
}

/** Throws a Problem when there is no such thing, and what the registry says of it. */
export async function importDataDirectory(
  path: string,
  { reached, dryRun, onEvent }: DataOptions,
): Promise<DataReport> {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) throw new Problem(`there is no ${path}`, { hint: 'check the path' })
  const directory = found.isDirectory() ? findDataDirectory(path) : undefined
  const archive =
    directory === undefined
      ? openArchive(path, { stdin: process.stdin })
      : { bytes: tarDirectory(directory), size: undefined }
  // How long a tar of the directory becomes is not known to the byte; how far it is is.
  const total = directory === undefined ? undefined : measureDirectory(directory)
  const tell = (event: ActEvent): void =>
    onEvent(
      'phase' in event && event.total === undefined && total !== undefined
        ? { ...event, total: Math.max(total, event.done) }
        : event,
    )
  return reached.call('POST /import/data', { dryRun }, tell, archive)
}

export function isWholeData(report: DataReport): boolean {
  return isWhole(report)
}

/** For people. */
export function formatData({ blobs, repositories, held, signatures, dryRun, passedOver, torn }: DataReport): string {
  const rows = repositories.map(({ name, manifests, added, tags, set }) =>
    [name, manifests, added, tags, set.length].map(String),
  )
  const table =
    rows.length === 0 ? [] : [formatTable([['REPOSITORY', 'MANIFESTS', 'NEW', 'TAGS', 'SET'], ...rows], [1, 2, 3, 4])]
  const moved = repositories.flatMap(({ name, moved: tags }) =>
    tags.map(({ tag, from, to }) => `moved  ${name}:${tag}  from ${from.slice(0, 19)} to ${to.slice(0, 19)}`),
  )
  const left = held.map(({ repository, digest, tags, missing }) => {
    const names =
      tags.length > 0 ? tags.map((tag) => `${repository}:${tag}`).join(', ') : `${repository}@${digest.slice(0, 19)}`
    return `left out  ${names}  (${missing.slice(0, 19)} is neither there nor here)`
  })
  const wrong = blobs.wrong.map((digest) => `damaged   ${digest}`)
  const verb = dryRun ? 'would take in' : 'took in'
  const more = [
    ...(signatures.added > 0 ? [formatCount(signatures.added, 'signature')] : []),
    ...(passedOver > 0 ? [`${formatCount(passedOver, 'file')} that are no part of a registry passed over`] : []),
    ...(torn > 0 ? [`${formatCount(torn, 'torn link')} passed over`] : []),
  ]
  const total = `${verb} ${formatCount(blobs.added, 'blob')} (${formatBytes(blobs.addedBytes)}), ${blobs.here} were here; all ${formatBytes(blobs.bytes)} verified`
  return [...table, ...moved, ...left, ...wrong, [total, ...more].join('; ')].join('\n')
}
