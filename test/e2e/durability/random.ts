// Random choices and bytes that a seed repeats, so that a failed run can be told by its seed. The order of
// concurrent writers is not repeated; what each of them chooses is.
import { createCipheriv, createHash } from 'node:crypto'

export interface Random {
  /** A whole number from 0 to `below` - 1. */
  number(below: number): number
  bytes(length: number): Buffer
  /** One of `list`; undefined when it is empty. */
  pick<T>(list: readonly T[]): T | undefined
}

/** Makes the random source of `seed`. */
export function makeRandom(seed: string): Random {
  const key = createHash('sha256').update(seed).digest()
  const stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  const bytes = (length: number): Buffer => stream.update(Buffer.alloc(length))
  const number = (below: number): number => bytes(4).readUInt32LE() % below
  return { bytes, number, pick: (list) => list[number(list.length || 1)] }
}
