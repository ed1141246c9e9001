// How far the pass in the background is, over restarts. Best effort: without it a pass begins anew.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Digest } from '../../oci/digest.ts'
import { isDigest } from '../../oci/digest.ts'
import type { Layout } from '../layout.ts'
import { readTiny } from '../stamp.ts'

export interface Cursor {
  /** The last blob that was read; '' when no pass is under way. */
  readonly after: Digest | ''
  /** Milliseconds since 1970. */
  readonly passStartedAt: number | undefined
  readonly lastPassEndedAt: number | undefined
}

export const NO_CURSOR: Cursor = { after: '', passStartedAt: undefined, lastPassEndedAt: undefined }

/** What was kept; nothing when it is missing or not to be understood. */
export function readCursor({ checkCursor }: Pick<Layout, 'checkCursor'>): Cursor {
  try {
    const read = JSON.parse(readTiny(checkCursor) ?? '{}') as Partial<Record<keyof Cursor, unknown>>
    const { after, passStartedAt, lastPassEndedAt } = read
    return {
      after: typeof after === 'string' && isDigest(after) ? after : '',
      passStartedAt: typeof passStartedAt === 'number' ? passStartedAt : undefined,
      lastPassEndedAt: typeof lastPassEndedAt === 'number' ? lastPassEndedAt : undefined,
    }
  } catch {
    return NO_CURSOR
  }
}

/** Keeps it, if the disk lets us. */
export function writeCursor({ checkCursor }: Pick<Layout, 'checkCursor'>, cursor: Cursor): void {
  try {
    mkdirSync(dirname(checkCursor), { recursive: true })
    writeFileSync(`${checkCursor}.tmp`, `${JSON.stringify({ version: 1, ...cursor })}\n`)
    renameSync(`${checkCursor}.tmp`, checkCursor)
  } catch {
    // A full disk must not end the pass.
  }
}
