// A survey without its thread: what it tells, in order.
import type { Fault } from '../../src/storage/check/fault.ts'
import type { SurveyMessage, SurveyOptions } from '../../src/storage/check/survey.ts'
import { survey } from '../../src/storage/check/survey.ts'
import type { TestStore } from './store.ts'

export function surveyAll(store: TestStore, options: Partial<SurveyOptions> = {}): SurveyMessage[] {
  const messages: SurveyMessage[] = []
  survey(
    { root: store.directory, fast: false, repositories: [], after: '', ...options },
    { send: (message) => messages.push(message), sleep: () => undefined, clock: () => 0 },
  )
  return messages
}

/** The faults as `kind path`, paths below the data directory. */
export function faultsOf(store: TestStore, options: Partial<SurveyOptions> = {}): string[] {
  return listFaults(store, options).map(({ kind, path }) => `${kind} ${path.slice(store.directory.length + 1)}`)
}

export function listFaults(store: TestStore, options: Partial<SurveyOptions> = {}): Fault[] {
  return surveyAll(store, options).flatMap((message) => (message.type === 'fault' ? [message.fault] : []))
}
