// When an upload was begun and when bytes came last, as the directory says. It only reads.
import type { RepositoryName } from '../oci/name.ts'
import type { Layout } from './layout.ts'
import { readTiny, statFile } from './stamp.ts'
import type { UploadId } from './upload-id.ts'

/** Milliseconds since 1970. */
export interface UploadTimes {
  /** NaN when `startedat` holds no time. */
  readonly begunAt: number
  /** When bytes came last. */
  readonly activeAt: number
}

/** The times of an upload; undefined for what is none. */
export function readUploadTimes(layout: Layout, name: RepositoryName, id: UploadId): UploadTimes | undefined {
  const path = layout.uploadStartedAt(name, id)
  const startedAt = readTiny(path)
  const facts = statFile(layout.uploadData(name, id)) ?? statFile(path)
  if (startedAt === undefined || facts === undefined) return undefined
  // tar gives a file its old mtime back, which is when bytes came last; a time to come is none.
  return { begunAt: Date.parse(startedAt), activeAt: Math.min(facts.writtenAt, facts.changedAt) }
}
