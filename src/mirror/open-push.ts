// An upstream as a registry to push to: the same address, logins and certificates as for reading it.
import type { BaseLogger } from 'pino'
import { readAuthorities } from '../upstream/authorities.ts'
import { openCredentials } from '../upstream/credentials.ts'
import { PushClient } from '../upstream/push-client.ts'
import type { Upstream } from './upstream.ts'

export interface OpenPushParts {
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Random bytes. */
  readonly random: (size: number) => Buffer
  readonly logger: Pick<BaseLogger, 'warn'>
}

/** Reads the files that the configuration names and opens no connection. Throws a Problem for what a person must mend. */
export function openPush({ config }: Pick<Upstream, 'config'>, { clock, random, logger }: OpenPushParts): PushClient {
  const { host, url, credentials, ca, insecure, origins, concurrency, bandwidth } = config
  const [address] = url
  const warn = (message: string): void => logger.warn(message)
  return new PushClient({
    host,
    insecure,
    origins,
    concurrency,
    bandwidth,
    clock,
    credentials: openCredentials(credentials, { clock, random, warn }),
    ...(address !== undefined && { url: address }),
    ...(ca !== undefined && { ca: readAuthorities(ca) }),
  })
}
