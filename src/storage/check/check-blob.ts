// One blob read and hashed, in the thread of the survey. What turns out wrong is read a second time before it is told.
import type { Algorithm, Digest } from '../../oci/digest.ts'
import { algorithmOf, hexOf } from '../../oci/digest.ts'
import type { FileFacts } from '../stamp.ts'
import { STILL_AFTER_MS, isNotThere, statFile } from '../stamp.ts'
import type { Fault } from './fault.ts'
import { hashBlob } from './hash-blob.ts'
import type { Named, SurveyState } from './survey-state.ts'

const TRIES = 3
// What a disk says of bytes that it lost; anything else is about this process and no proof against the bytes.
const CORRUPT = new Set(['EIO', 'EUCLEAN', 'EBADMSG', 'ENODATA', 'EILSEQ', 'EOVERFLOW'])
// The machine is at its end: nothing that a survey says now would be true.
const EXHAUSTED = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

/** Hashes the file of `digest` and tells what is wrong; `true` when its bytes are right. */
export function checkBlob(state: SurveyState, digest: Digest): boolean {
  const { layout, counts } = state
  const named = state.named.get(digest)
  const aliases = named?.aliases ?? []
  const algorithms = [...new Set([digest, ...aliases.map((alias) => alias.digest)].map(algorithmOf))]
  const path = layout.blobData(digest)
  if (!state.done.has(digest)) counts.blobs += 1
  state.done.add(digest)
  let wrong: Reading | undefined
  for (let tries = 0; tries < TRIES; tries += 1) {
    const reading = readBlob(path, algorithms, state)
    // It is gone: whoever needs it is told elsewhere.
    if (reading === 'gone') return false
    if (reading instanceof Error) {
      state.report(describeUnreadable(path, digest, named, reading))
      return false
    }
    if (reading === undefined) continue
    if (reading.hex[0] === hexOf(digest)) {
      checkAliases(state, digest, algorithms, reading.hex)
      if (named?.note !== undefined) state.report(named.note)
      return true
    }
    if (wrong?.facts.stamp === reading.facts.stamp) {
      state.report(describeWrong(path, digest, named, reading))
      return false
    }
    wrong = reading
  }
  state.report({ kind: 'changing', path, digest, what: 'it is being written to: check again when that is over' })
  return false
}

interface Reading {
  readonly facts: FileFacts
  readonly hex: readonly string[]
  readonly settled: boolean
}

function readBlob(
  path: string,
  algorithms: readonly Algorithm[],
  state: SurveyState,
): Reading | Error | 'gone' | undefined {
  const now = Date.now()
  try {
    const hashed = hashBlob(path, algorithms, (bytes) => state.onRead(bytes))
    return hashed && { ...hashed, settled: now - hashed.facts.changedAt >= STILL_AFTER_MS }
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (EXHAUSTED.has(code)) throw error
    return isNotThere(error) ? 'gone' : (error as Error)
  }
}

function describeWrong(path: string, digest: Digest, named: Named | undefined, { facts, settled }: Reading): Fault {
  const size = named?.size
  const cut = size !== undefined && size !== facts.size ? `: it has ${facts.size} bytes in place of ${size}` : ''
  return {
    ...describe(path, digest, named),
    kind: 'blob-wrong',
    what: `its bytes are not what its digest says${cut}`,
    facts,
    settled,
  }
}

function describeUnreadable(path: string, digest: Digest, named: Named | undefined, error: Error): Fault {
  const { code = error.message } = error as NodeJS.ErrnoException
  return {
    ...describe(path, digest, named),
    kind: 'blob-unreadable',
    what: `it cannot be read: ${code}`,
    corrupt: CORRUPT.has(code),
    facts: statQuietly(path),
    settled: true,
  }
}

function statQuietly(path: string): FileFacts | undefined {
  try {
    return statFile(path)
  } catch {
    return undefined
  }
}

function describe(
  path: string,
  digest: Digest,
  named: Named | undefined,
): Pick<Fault, 'path' | 'digest' | 'repository' | 'size' | 'aliases'> {
  const aliases = named?.aliases?.map((alias) => alias.digest)
  return { path, digest, repository: named?.repository, size: named?.size, ...(aliases && { aliases }) }
}

// A link of another algorithm than the file's is right only when the bytes hash to both.
function checkAliases(
  state: SurveyState,
  stored: Digest,
  algorithms: readonly Algorithm[],
  hex: readonly string[],
): void {
  for (const { digest, repository, path } of state.named.get(stored)?.aliases ?? []) {
    if (hex[algorithms.indexOf(algorithmOf(digest))] === hexOf(digest)) continue
    const what = `it leads to ${stored}, whose bytes are not those of its path`
    state.report({ kind: 'link-wrong', role: 'layer', path, repository, digest, target: stored, what })
  }
}
