// Where people say that images come from or go to: `oci:PATH`, `docker-archive:FILE`, and so on.
import { existsSync } from 'node:fs'
import { Problem } from '../config/problem.ts'

export const PLACE_KINDS = ['data', 'dir', 'oci', 'oci-archive', 'docker-archive', 'oc-mirror', 'hauler'] as const
export type PlaceKind = (typeof PLACE_KINDS)[number]

export interface Place {
  readonly kind: PlaceKind
  readonly path: string
  /** `oci:PATH:NAME`: the one image of that name. */
  readonly name?: string
  /** As it was written. */
  readonly text: string
}

const NAMED: ReadonlySet<PlaceKind> = new Set(['oci', 'oci-archive', 'docker-archive'])

/** Undefined for what begins with none of the kinds. Throws a Problem when the path is missing. */
export function parsePlace(text: string): Place | undefined {
  const colon = text.indexOf(':')
  const kind = PLACE_KINDS.find((each) => each === text.slice(0, Math.max(0, colon)))
  if (kind === undefined) return undefined
  const rest = text.slice(colon + 1)
  if (rest === '') throw new Problem(`${text} names no path`, { hint: `write ${kind}:PATH`, exitCode: 2 })
  // As skopeo: a colon in a path can only be written where that path is there.
  const second = rest.indexOf(':')
  if (second === -1 || !NAMED.has(kind) || existsSync(rest)) return { kind, path: rest, text }
  const [path, name] = [rest.slice(0, second), rest.slice(second + 1)]
  if (path !== '' && name !== '') return { kind, path, name, text }
  throw new Problem(`${text} names no path, or an empty name`, { hint: `write ${kind}:PATH:NAME`, exitCode: 2 })
}
