// distribution's `health:` section: what else must be well for this registry to call itself healthy. A file
// that exists, an HTTP service with another status, a TCP port that does not open make /readyz fail.
import { access } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Config } from '../config/schema.ts'
import { parseListenAddress } from '../config/address.ts'

export interface HealthChecks {
  /** Names of the checks that failed as often in a row as their threshold says. */
  problems(): string[]
  close(): void
}

interface Check {
  readonly name: string
  /** Milliseconds. */
  readonly interval: number
  readonly threshold: number
  /** Resolves when all is well, rejects when not. */
  readonly run: () => Promise<void>
}

/** Begins the checks; each runs at once and then at its interval, never twice at the same time. */
export function startHealthChecks(health: Config['health']): HealthChecks {
  const failures = new Map<Check, number>()
  const checks = [
    ...health.file.map((check) => ({ ...check, name: 'health.file', run: () => requireAbsent(check.file) })),
    ...health.http.map((check) => ({ ...check, name: 'health.http', run: () => requireStatus(check) })),
    ...health.tcp.map((check) => ({ ...check, name: 'health.tcp', run: () => requireOpen(check) })),
  ]
  const timers = checks.map((check) => {
    let running = false
    const look = async (): Promise<void> => {
      if (running) return
      running = true
      const failed = await check.run().then(
        () => false,
        () => true,
      )
      failures.set(check, failed ? (failures.get(check) ?? 0) + 1 : 0)
      running = false
    }
    void look()
    return setInterval(() => void look(), check.interval).unref()
  })
  return {
    // Addresses and paths stay in the configuration: the page is public.
    problems: () =>
      checks.filter((check) => (failures.get(check) ?? 0) >= check.threshold).map(({ name }) => `${name} fails`),
    close: () => timers.forEach(clearInterval),
  }
}

async function requireAbsent(path: string): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  )
  if (exists) throw new Error('the file exists')
}

async function requireStatus(check: Config['health']['http'][number]): Promise<void> {
  const headers = Object.entries(check.headers).flatMap(([name, values]) =>
    values.map((value): [string, string] => [name, value]),
  )
  const answer = await fetch(check.uri, {
    method: 'HEAD',
    headers,
    redirect: 'manual',
    signal: AbortSignal.timeout(check.timeout),
  })
  if (answer.status !== check.statuscode) throw new Error('another status')
}

function requireOpen({ addr, timeout }: Config['health']['tcp'][number]): Promise<void> {
  const { host = 'localhost', port = 0 } = parseListenAddress(addr) ?? {}
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout })
    socket.once('connect', () => resolve())
    socket.once('timeout', () => reject(new Error('timeout')))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed')))
    socket.once('connect', () => socket.destroy())
    socket.once('timeout', () => socket.destroy())
  })
}
