// Amounts of bytes as people write them: `500GiB`, `20MB`, and for room on a disk a share of it.

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
}

/** The bytes that `text` says (`20MB`, `5GiB`, `1024`; a `/s` at the end is taken as well); undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([kmgt]?i?b)?(?:\/s)?$/i.exec(text.trim()) ?? []
  const factor = UNITS[unit.toLowerCase()]
  if (number === undefined || factor === undefined) return undefined
  const bytes = Math.floor(Number(number) * factor)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** How much of a disk must be free: the smaller one of a share of it and a number of bytes, where both are said. */
export interface Room {
  /** 0 to 1. */
  readonly share: number
  readonly bytes: number
}

/** Reads `5%`, `10GiB` or `5% 10GiB`; undefined for anything else. */
export function parseRoom(text: string): Room | undefined {
  let room: Room = { share: 1, bytes: Number.MAX_SAFE_INTEGER }
  const words = text.trim().split(/\s+/)
  if (words.length > 2) return undefined
  for (const word of words) {
    const percent = /^(\d+(?:\.\d+)?)%$/.exec(word)?.[1]
    const bytes = percent === undefined ? parseBytes(word) : undefined
    if (percent !== undefined && Number(percent) <= 100) room = { ...room, share: Number(percent) / 100 }
    else if (bytes !== undefined) room = { ...room, bytes }
    else return undefined
  }
  return room
}
