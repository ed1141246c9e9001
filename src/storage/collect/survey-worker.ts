// The thread in which a survey runs: minutes of small reads on a large directory, which must take neither the event loop
// nor libuv's pool (all file I/O of the server runs there). It writes nothing.
import { parentPort, workerData } from 'node:worker_threads'
import { lowerPriority } from '../low-priority.ts'
import { survey } from './survey.ts'
import type { SurveyRequest } from './survey-result.ts'

lowerPriority()
for (const message of survey(workerData as SurveyRequest)) parentPort?.postMessage(message)
