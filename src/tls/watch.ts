// Gives the running server a new certificate when the files change. A pair that does not work (half copied, wrong
// key, garbage) is named once in the log and the old one stays in use.
import { X509Certificate } from 'node:crypto'
import type { BaseLogger } from 'pino'
import type { SecureContextOptions } from 'node:tls'
import { Problem } from '../config/problem.ts'
import { stampOf } from '../config/watched-file.ts'
import type { LoadedTls, TlsConfig } from './load.ts'
import { joinStamps, loadTls, tlsFiles } from './load.ts'

export interface TlsWatch {
  /** What to start the server with. */
  readonly loaded: LoadedTls
  /** When the certificate in use ends, in milliseconds since 1970. */
  endsAt(): number
  /** Looks at once (SIGHUP, tests); true when a new certificate was taken up. Never throws. */
  check(): boolean
  /** Looks every `interval` milliseconds and hands each new context to `apply`, until `close`. */
  start(apply: (context: SecureContextOptions) => void): void
  close(): void
}

export interface TlsWatchOptions {
  readonly config: TlsConfig
  /** Milliseconds between two looks (stat(2) of each file). */
  readonly interval: number
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly logger: Pick<BaseLogger, 'info' | 'warn' | 'error'>
}

/** Loads the files now and can watch them; throws a Problem when they do not work at the start. */
export function watchTls({ config, interval, clock, logger }: TlsWatchOptions): TlsWatch {
  const files = tlsFiles(config)
  const warn = (message: string): void => logger.warn(message)
  const loaded = loadTls(config, { clock, warn })
  let stamp = loaded.stamp
  let current = loaded.context
  let endsAt = endOf(current)
  let refused = { stamp: '', looks: 0 }
  let apply: ((context: SecureContextOptions) => void) | undefined
  let timer: NodeJS.Timeout | undefined

  const check = (): boolean => {
    const seen = joinStamps(files.map(stampOf))
    if (seen === stamp) return false
    // A bad state is looked at twice: the first reading may have come in the middle of a write.
    const looks = seen === refused.stamp ? refused.looks : 0
    if (looks >= 2) return false
    try {
      const warnings: string[] = []
      const next = loadTls(config, { clock, warn: (message) => warnings.push(message) })
      const isNew = !isSame(current, next.context)
      if (isNew) {
        apply?.(next.context)
        current = next.context
        endsAt = endOf(current)
        warnings.forEach(warn)
        logger.info({ certificate: config.certificate }, 'the new certificate is in use')
      }
      stamp = next.stamp
      return isNew
    } catch (error) {
      refused = { stamp: seen, looks: looks + 1 }
      const { message, hint } = error instanceof Problem ? error : new Problem(String(error))
      if (looks === 0) logger.error({ hint }, `${message}; the old certificate stays in use`)
      return false
    }
  }

  return {
    loaded,
    endsAt: () => endsAt,
    check,
    start(next) {
      apply = next
      if (current !== loaded.context) next(current)
      clearInterval(timer)
      timer = setInterval(check, interval)
      timer.unref()
    },
    close() {
      clearInterval(timer)
      apply = undefined
    },
  }
}

// The server's own certificate is the first one of its file.
function endOf({ cert }: SecureContextOptions): number {
  return new X509Certificate(cert as Buffer).validToDate.getTime()
}

function isSame(one: SecureContextOptions, other: SecureContextOptions): boolean {
  const bytes = ({ cert, key, ca = [] }: SecureContextOptions): Buffer[] => [cert, key, ca].flat() as Buffer[]
  const [left, right] = [bytes(one), bytes(other)]
  return left.length === right.length && left.every((part, index) => right[index]?.equals(part) === true)
}
