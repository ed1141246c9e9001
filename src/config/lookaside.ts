// The files of registries.d (containers-registries.d(5)): where the signatures of a registry's images lie, as podman and
// skopeo are told it. Of these files nothing else is used.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { describeUnreadable, Problem } from './problem.ts'

/** From a scope, or '' for all others, to the address of its signatures. */
export type Lookaside = ReadonlyMap<string, string>

const LARGEST = 1 << 20

/** Reads all `.yaml` of a directory, by name; one that is not there says nothing. Throws a Problem. */
export function readLookaside(directory: string): Lookaside {
  const found = new Map<string, string>()
  for (const name of listYaml(directory)) {
    const path = join(directory, name)
    for (const [scope, address] of readFile(path)) {
      const shown = scope === '' ? 'default-docker' : scope
      if (found.has(scope))
        throw new Problem(`${path} says where signatures of ${shown} lie, and another file there says it too`, {
          hint: 'leave one of them',
          exitCode: 2,
        })
      found.set(scope, address)
    }
  }
  return found
}

function readFile(path: string): [scope: string, address: string][] {
  const wrong = (what: string, cause?: unknown): Problem =>
    new Problem(`${path} ${what}`, { hint: 'containers-registries.d(5) describes it', exitCode: 2, cause })
  let text: string
  let document: unknown
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw describeUnreadable('place of signatures', path, error)
  }
  if (text.length > LARGEST) throw wrong('is larger than 1 MiB')
  try {
    document = parse(text, { maxAliasCount: 10 }) ?? {}
  } catch (cause) {
    throw wrong('is no YAML', cause)
  }
  if (!isObject(document)) throw wrong('holds no table')
  const { 'default-docker': usual, docker = {} } = document
  if (!isObject(docker)) throw wrong('holds no table "docker"')
  const all: [string, unknown][] = [
    ...(usual === undefined ? [] : [['', usual] as [string, unknown]]),
    ...Object.entries(docker),
  ]
  return all.flatMap(([scope, place]): [string, string][] => {
    if (!isObject(place)) throw wrong(`says nothing readable of ${scope || 'default-docker'}`)
    // "sigstore" is what it was called before cosign came.
    const address = place['lookaside'] ?? place['sigstore']
    if (address === undefined) return []
    if (typeof address === 'string' && /^(?:https?|file):$/.test(URL.parse(address)?.protocol ?? ''))
      return [[scope, address]]
    throw wrong(`names no address of https, http or file for ${scope || 'default-docker'}`)
  })
}

function listYaml(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.yaml'))
      .toSorted()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw describeUnreadable('directory of places of signatures', directory, error)
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
