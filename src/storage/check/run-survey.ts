// Starts a survey in a thread of its own.
import { runWorker } from '../worker.ts'
import type { SurveyMessage, SurveyOptions } from './survey.ts'

/** Gives each message of the survey to `onMessage`; resolves at its end. An abort of `signal` ends it at once. */
export function runSurvey(
  options: SurveyOptions,
  onMessage: (message: SurveyMessage) => void,
  signal?: AbortSignal,
): Promise<void> {
  return runWorker({ from: import.meta.url, file: 'survey-thread', data: options, onMessage, signal })
}

export type StartSurvey = typeof runSurvey
