// A policy.json as containers/image reads it (containers-policy.json(5)): what an image must have before it is taken.
// Read strictly, since what is overlooked here opens a door. Reads no key: those are read when they are needed.
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describeUnreadable, Problem } from '../../config/problem.ts'
import { RegistryError } from '../../oci/errors.ts'
import { parseJson, quoteText } from '../../oci/json.ts'
import type { DockerReference } from './docker-reference.ts'
import { scopesOf } from './docker-reference.ts'
import { openObject, PolicyError } from './policy-error.ts'
import type { Requirement } from './requirement.ts'
import { readRequirement } from './requirement.ts'

export interface Policy {
  readonly default: readonly Requirement[]
  /** Of the transport `docker`, by scope; `''` is all of it. */
  readonly docker: ReadonlyMap<string, readonly Requirement[]>
}

const LARGEST = 1 << 20

/** Reads a policy. Relative paths in it begin in its own directory. Throws a Problem that names the place. */
export function readPolicy(path: string): Policy {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    throw describeUnreadable('policy', path, error)
  }
  try {
    if (bytes.length > LARGEST) throw new PolicyError('it is larger than 1 MiB')
    return parsePolicy(bytes, dirname(path))
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    throw new Problem(`${path} is no policy that can be kept: ${error.message}`, {
      hint: error.hint ?? 'containers-policy.json(5) describes it; podman reads the same file',
      exitCode: 2,
      cause: error,
    })
  }
}

/** Throws a PolicyError. */
export function parsePolicy(bytes: Uint8Array, directory: string): Policy {
  let document: unknown
  try {
    document = parseJson(bytes)
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error
    throw new PolicyError(error.message.replace(/^manifest invalid: /, ''))
  }
  const top = openObject(document, 'the document', ['default', 'transports'])
  const readAll = (value: unknown, place: string): Requirement[] => {
    if (!Array.isArray(value) || value.length === 0)
      throw new PolicyError(`${place} must be a list with at least one requirement`)
    return value.map((each, index) => readRequirement(each, `${place}[${index}]`, directory))
  }
  if (top['default'] === undefined) throw new PolicyError('"default" is missing')
  const docker = new Map<string, readonly Requirement[]>()
  for (const [transport, scopes] of Object.entries(openObject(top['transports'] ?? {}, 'transports'))) {
    for (const [scope, list] of Object.entries(openObject(scopes, `transports.${transport}`))) {
      const requirements = readAll(list, `transports.${transport}[${quoteText(scope)}]`)
      if (transport === 'docker') docker.set(checkScope(scope), requirements)
    }
  }
  return { default: readAll(top['default'], 'default'), docker }
}

/** What the policy wants of an image: that of the narrowest scope, else of the transport, else the default. */
export function requirementsFor({ docker, default: usual }: Policy, image: DockerReference): readonly Requirement[] {
  for (const scope of [...scopesOf(image), '']) {
    const found = docker.get(scope)
    if (found !== undefined) return found
  }
  return usual
}

function checkScope(scope: string): string {
  if (!scope.startsWith('*.') && scope.includes('*'))
    throw new PolicyError(`transports.docker: ${quoteText(scope)} is no scope: only a whole first label can be "*"`)
  if (scope.startsWith('*.') && scope.includes('/'))
    throw new PolicyError(`transports.docker: ${quoteText(scope)} is no scope: "*." stands for hosts alone`)
  return scope
}
