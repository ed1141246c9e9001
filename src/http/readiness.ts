// What /readyz says. A problem (503) takes the registry out of a load balancer, so it is only what keeps it from
// serving pulls; a note is for people. No line holds a path, a name or a version: the page is public.
import { accessSync, constants, opendirSync } from 'node:fs'
import { isNoRoom } from '../storage/room.ts'
import type { Store } from '../storage/store.ts'
import type { CollectionResult } from './collection-tally.ts'
import type { Readiness } from './health.ts'
import type { MirrorFacts } from './mirror-facts.ts'
import { describeMirrorNotes } from './mirror-facts.ts'

export interface ReadinessParts {
  readonly store: Pick<Store, 'layout' | 'durable' | 'room' | 'verdicts'>
  readonly keeps: () => boolean
  /** Names of the configured checks that fail. */
  readonly checks: () => string[]
  readonly isStalled: () => boolean
  /** Milliseconds until the certificate in use ends; undefined without one. */
  readonly certificateLeft?: (() => number | undefined) | undefined
  readonly lastCollection?: (() => CollectionResult | undefined) | undefined
  readonly mirror?: (() => MirrorFacts | undefined) | undefined
}

const DAY_MS = 86_400_000
const SOON_DAYS = 14

/** Puts the lines together; each is asked anew. */
export function createReadiness(parts: ReadinessParts): Readiness {
  const { store, keeps, checks, isStalled, certificateLeft = () => undefined, lastCollection = () => undefined } = parts
  return {
    isStalled,
    async problems() {
      const isOver = (certificateLeft() ?? Infinity) <= 0
      return [...describeDisk(store, keeps()), ...(isOver ? ['certificate: expired'] : []), ...checks()]
    },
    notes() {
      return [
        keeps() ? undefined : 'read-only',
        describeRoom(store),
        describeCertificate(certificateLeft()),
        store.verdicts.suspects().length > 0 ? 'damage: blobs with wrong bytes are refused' : undefined,
        holdsSomething(store.layout.quarantine) ? 'quarantine: not empty' : undefined,
        describeCollection(lastCollection()),
        ...describeMirrorNotes(parts.mirror?.()),
      ].filter((line) => line !== undefined)
    },
  }
}

function describeDisk({ layout, durable }: ReadinessParts['store'], keeps: boolean): string[] {
  // A disk that is only full still gives everything: that is a note.
  if (durable.failure !== undefined && !isNoRoom(durable.failure)) {
    return ['the disk of the data directory reports errors: nothing is written']
  }
  try {
    accessSync(layout.root, keeps ? constants.R_OK | constants.W_OK : constants.R_OK)
    return []
  } catch {
    return [`the data directory cannot be ${keeps ? 'written' : 'read'}`]
  }
}

function describeRoom({ room, durable }: ReadinessParts['store']): string | undefined {
  try {
    const { state } = room.read()
    if (state === 'stop' || isNoRoom(durable.failure)) return 'room: none, new uploads are refused'
    return state === 'warn' ? 'room: low' : undefined
  } catch {
    // The problem with the directory says it.
    return undefined
  }
}

function describeCertificate(left = Infinity): string | undefined {
  if (left <= 0 || left >= SOON_DAYS * DAY_MS) return undefined
  const days = Math.floor(left / DAY_MS)
  return `certificate: ends ${days === 0 ? 'within a day' : `in ${days} day${days === 1 ? '' : 's'}`}`
}

function describeCollection(result: CollectionResult | undefined): string | undefined {
  return result === undefined || result === 'complete' ? undefined : `collection: the last one was ${SAID[result]}`
}

const SAID = { incomplete: 'not complete', failed: 'broken off by an error' } as const

// One entry is enough to know; a quarantine can be large.
function holdsSomething(directory: string): boolean {
  try {
    const opened = opendirSync(directory)
    try {
      return opened.readSync() !== null
    } finally {
      opened.closeSync()
    }
  } catch {
    return false
  }
}
