// The thread of hash-thread.ts: answers every message in its order, but for those that begin a hash.
import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'

interface SharedPiece {
  readonly id: number
  /** Told with the first piece of each buffer. */
  readonly buffer?: SharedArrayBuffer
  readonly byteOffset: number
  readonly byteLength: number
}

const shared = new Map<number, Uint8Array>()
let hash = createHash('sha256')

parentPort?.on('message', (message: Uint8Array | SharedPiece | 'digest' | 'sha256' | 'sha512') => {
  if (message === 'sha256' || message === 'sha512') {
    hash = createHash(message)
    return
  }
  if (message === 'digest') {
    parentPort?.postMessage(hash.digest('hex'))
    return
  }
  hash.update(message instanceof Uint8Array ? message : findShared(message))
  parentPort?.postMessage(undefined)
})

function findShared({ id, buffer, byteOffset, byteLength }: SharedPiece): Uint8Array {
  if (buffer !== undefined) shared.set(id, new Uint8Array(buffer))
  const bytes = shared.get(id)
  if (bytes === undefined) throw new Error('a buffer that nobody gave')
  return bytes.subarray(byteOffset, byteOffset + byteLength)
}
