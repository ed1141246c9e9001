// The one error of a wrong configuration: every fault with its place (file and line, or variable). It must
// never carry a configured value: that may be a secret.
import { Problem } from './problem.ts'

/** One thing that is wrong. `where` is `config.yml:12`, `REGISTRY_HTTP_NET` or empty; `path` is `http.net`. */
export interface Fault {
  readonly where: string
  readonly path: string
  readonly what: string
  readonly hint: string
}

/** Thrown by the loaders; `message` has one line for each fault, `hint` says what to do about the first. */
export class ConfigError extends Problem {
  readonly faults: readonly Fault[]

  constructor(faults: readonly [Fault, ...Fault[]]) {
    super(faults.map((fault) => describeFault(fault)).join('\n'), { hint: faults[0].hint })
    this.faults = faults
  }
}

/** Throws a ConfigError when there is at least one fault. */
export function throwFaults(faults: readonly Fault[]): void {
  const [first, ...rest] = faults
  if (first !== undefined) throw new ConfigError([first, ...rest])
}

/** One line for people: place, key, what is wrong. */
export function describeFault({ where, path, what }: Omit<Fault, 'hint'>): string {
  return [where, path, what].filter((part) => part !== '').join(': ')
}
