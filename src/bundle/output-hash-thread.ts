// The thread of output-hash.ts: answers every message in its order.
import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'

type Message =
  | Uint8Array
  | { readonly buffer: SharedArrayBuffer; readonly byteOffset: number; readonly byteLength: number }
  | 'digest'

let hash = createHash('sha256')

parentPort?.on('message', (message: Message) => {
  if (message === 'digest') {
    parentPort?.postMessage(hash.digest('hex'))
    hash = createHash('sha256')
    return
  }
  hash.update(new Uint8Array(message.buffer, message.byteOffset, message.byteLength))
  parentPort?.postMessage(undefined)
})
