// The programs of one exchange, each started on a directory that the other one left: Tarn, Debian's
// docker-registry 2.8.2 and, with Go, distribution 3. All run on the same kind of configuration.
import type { Client } from '../../helpers/client.ts'
import { openClient } from '../../helpers/client.ts'
import { makeDockerRegistryProgram } from '../helpers/docker-registry.ts'
import type { E2EContext } from '../helpers/suite.ts'
import type { Tarn, TarnOptions } from '../helpers/tarn.ts'
import { startRegistry } from '../helpers/tarn.ts'
import type { Reading } from './reader.ts'

/** http.secret of every registry here, so that tokens of uploads can be made. */
export const SECRET = 'exchange'

export interface Peer {
  /** `registry:2` or `registry:3`. */
  readonly label: string
  readonly binary: string
  readonly reading: Reading
  /** Whether its -m keeps the children of a tagged list. */
  readonly keepsChildren: boolean
  start(data?: string): Promise<Tarn>
}

export function makePeer(context: E2EContext, label: 'registry:2' | 'registry:3', binary: string): Peer {
  const program = makeDockerRegistryProgram(binary)
  return {
    label,
    binary,
    // 2.8.2 gives tags as the directory has them and the catalog with nested names first.
    reading: { ordered: false },
    keepsChildren: label === 'registry:3',
    start: (data) => startRegistry(context.machine, program, settle(data)),
  }
}

export function startTarn(context: E2EContext, data?: string): Promise<Tarn> {
  return context.startTarn(settle(data))
}

function settle(data: string | undefined): TarnOptions {
  const config = { http: { addr: '127.0.0.1:0', secret: SECRET } }
  return data === undefined ? { config } : { config, data }
}

/** Runs `act` with a client of the registry and ends both, also when it throws. */
export async function using<T>(registry: Tarn, act: (client: Client) => Promise<T>): Promise<T> {
  const client = openClient({ url: registry.url })
  try {
    return await act(client)
  } finally {
    client.close()
    await registry.stop()
  }
}
