// The thread in which a data directory is surveyed. It never writes, so whoever started it ends it at any moment.
import { parentPort, workerData } from 'node:worker_threads'
import { lowerPriority } from '../low-priority.ts'
import type { SurveyOptions } from './survey.ts'
import { survey } from './survey.ts'

const pause = new Int32Array(new SharedArrayBuffer(4))

lowerPriority()
survey(workerData as SurveyOptions, {
  send: (message) => parentPort?.postMessage(message),
  sleep: (milliseconds) => void Atomics.wait(pause, 0, 0, milliseconds),
  clock: () => performance.now(),
})
