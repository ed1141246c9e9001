// A collector over a test's store. The survey runs in the test's own thread, which spares the start of another; one
// that must act in the middle of a survey is handed the way to do so.
import { closeSync, openSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Closures } from '../../src/registry/closures.ts'
import type { CollectorParts } from '../../src/registry/collect.ts'
import { Collector } from '../../src/registry/collect.ts'
import type { StartSurvey } from '../../src/storage/collect/start-survey.ts'
import { survey } from '../../src/storage/collect/survey.ts'
import type { TestStore } from './store.ts'

export const surveyHere: StartSurvey = async (request, onMessage) => {
  for (const message of survey(request)) onMessage(message)
}

/** A survey after which `act` is done before its end is told: what comes between looking and taking. */
export function surveyThen(act: () => Promise<unknown>): StartSurvey {
  return async (request, onMessage) => {
    const messages = [...survey(request)]
    await act()
    messages.forEach(onMessage)
  }
}

export type Settings = CollectorParts['settings']

export const NOTHING_KEPT: Settings = { lease: 0, grace: 0, untagged: false, untaggedAfter: [] }

export function makeCollector(
  store: TestStore,
  settings: Partial<Settings> = {},
  parts: Partial<CollectorParts> = {},
): Collector {
  return new Collector({
    store,
    closures: new Closures(store, store.clock),
    rules: { readOnly: () => undefined },
    settings: { ...NOTHING_KEPT, ...settings },
    clock: store.clock,
    serving: true,
    startSurvey: surveyHere,
    ...parts,
  })
}

/** Gives a moment (milliseconds since 1970) after every change up to now and before every later one. */
export function standStill(directory: string): number {
  const tick = (): number => {
    const path = join(directory, 'tick')
    closeSync(openSync(path, 'w'))
    const { ctimeMs } = statSync(path)
    rmSync(path)
    return Math.floor(ctimeMs)
  }
  const now = tick()
  // The clock of ctimes moves every few milliseconds; nobody else is here to wait for it.
  for (;;) if (tick() > now + 1) return now + 1
}

/** Every file below `directory` (relative, sorted), but for `.tarn/cache` and what `tarn` leaves in `.tarn/state`. */
export function listFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .filter((path) => !path.startsWith('.tarn/cache') && path !== '.tarn/state/collection.json')
    .toSorted()
}
