// Starts a real Tarn inside the test's own process, on a free loopback port, over a data directory of
// its own. It must never reach beyond loopback, and never write outside the directory that it made.
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Test } from 'tap'
import type { ConfigInput } from '../../src/config/schema.ts'
import { createRegistry } from '../../src/index.ts'

export interface StartedTarn {
  /** Origin without a slash at the end, such as `http://127.0.0.1:40123`. */
  readonly url: string
  readonly port: number
  /** The test's own directory; the data directory is `data` in it and nothing else is there. */
  readonly directory: string
  /** The data directory (`storage.filesystem.rootdirectory`). */
  readonly data: string
  /** Ends the server and frees the lock; the directory stays until the test is over. */
  close(): Promise<void>
}

/**
 * Starts Tarn by `createRegistry` with `config` laid over the defaults (deletion stays off unless the
 * test asks for it). The server and its directory go when `t` ends. `directory` takes over the directory of
 * an earlier server. TARN_TEST_LOG=info (or another pino level) shows the log on stderr.
 */
export async function startTarn(
  t: Pick<Test, 'teardown'>,
  config: ConfigInput = {},
  directory = makeDirectory(t),
): Promise<StartedTarn> {
  const data = join(directory, 'data')
  const app = await createRegistry({
    config: {
      ...config,
      storage: { filesystem: { rootdirectory: data }, ...config.storage },
    },
    logger: pino({ level: process.env['TARN_TEST_LOG'] ?? 'silent' }, pino.destination({ dest: 2, sync: true })),
  })
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => (closing ??= Promise.resolve(app.close()).then(() => undefined))
  t.teardown(close)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const scheme = config.http?.tls === undefined ? 'http' : 'https'
  return { url: `${scheme}://127.0.0.1:${port}`, port, directory, data, close }
}

/** Makes an empty directory that no other run of the same test knows, and removes it when `t` ends. */
export function makeDirectory(t: Pick<Test, 'teardown'>): string {
  const directory = mkdtempSync(join(tmpdir(), 'tarn-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
