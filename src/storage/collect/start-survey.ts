// Starts the process of a survey and hands on what it says.
import { runSubprocess } from '../subprocess.ts'
import type { SurveyMessage, SurveyRequest } from './survey-result.ts'

/** Runs a survey to its end; rejects with what it threw, and with the signal's reason when that ends it before. */
export type StartSurvey = (
  request: SurveyRequest,
  onMessage: (message: SurveyMessage) => void,
  signal: AbortSignal,
) => Promise<void>

export const startSurvey: StartSurvey = (data, onMessage, signal) =>
  runSubprocess<SurveyMessage>({ from: import.meta.url, file: 'survey-process', data, onMessage, signal })
