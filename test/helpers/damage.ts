// Damage as disks and crashes do it, to one file at a time, by a seeded chance.
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'

export const DAMAGES = ['bit', 'truncation', 'zero page', 'swapped link', 'lost file'] as const

export type Damage = (typeof DAMAGES)[number]

const PAGE = 4096

/** Numbers from 0 to `below`, exclusive: the same for the same seed. */
export function makeChance(seed: number): (below: number) => number {
  let state = seed
  // mulberry32
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** Damages the file; `other` is what a swapped link holds from then on. Throws when its bytes are what they were. */
export function damage(path: string, kind: Damage, other: string, chance: (below: number) => number): void {
  const before = readFileSync(path)
  if (kind === 'lost file') {
    rmSync(path)
    return
  }
  if (kind === 'truncation') truncateSync(path, chance(before.length))
  else if (kind === 'swapped link') writeFileSync(path, other)
  else {
    const bytes = Buffer.from(before)
    if (kind === 'bit') {
      const at = chance(bytes.length)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << chance(8))
    } else {
      const page = chance(Math.ceil(bytes.length / PAGE)) * PAGE
      bytes.fill(0, page, Math.min(page + PAGE, bytes.length))
    }
    writeFileSync(path, bytes)
  }
  if (readFileSync(path).equals(before)) throw new Error(`${path} was not damaged`)
}
