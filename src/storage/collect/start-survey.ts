// Starts the thread of a survey and hands on what it says.
import { Worker } from 'node:worker_threads'
import type { SurveyMessage, SurveyRequest } from './survey-result.ts'

/** Runs a survey to its end; rejects with what it threw, and with the signal's reason when that ends it before. */
export type StartSurvey = (
  request: SurveyRequest,
  onMessage: (message: SurveyMessage) => void,
  signal: AbortSignal,
) => Promise<void>

export const startSurvey: StartSurvey = (request, onMessage, signal) => {
  // In a checkout this file is TypeScript, in the published package JavaScript; so is the worker's.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./survey-worker.${extension}`, import.meta.url), {
    name: 'survey',
    env: {},
    execArgv: [],
    workerData: request,
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const stop = (): void => {
    reject(signal.reason as Error)
    void worker.terminate()
  }
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  worker.on('message', (message: SurveyMessage) => {
    onMessage(message)
    if (message.kind === 'end') resolve()
  })
  worker.on('error', reject)
  worker.on('exit', (code) => reject(new Error(`the survey ended before its time, with exit code ${code}`)))
  return promise.finally(() => signal.removeEventListener('abort', stop))
}
