// A thread that lowers its priority and says which one it has then.
import { readFileSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { lowerPriority } from '../../../src/storage/low-priority.ts'

lowerPriority()
parentPort?.postMessage(readFileSync('/proc/thread-self/stat', 'latin1'))
