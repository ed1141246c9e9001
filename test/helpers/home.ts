// A home whose registry a test starts and stops, with images that leave something to collect.
import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { openClient } from './client.ts'
import { pushBlob, pushImage } from './push.ts'
import { makeDirectory } from './server.ts'
import type { Serving } from './serving.ts'
import { LOCAL, startServing } from './serving.ts'

export interface Home {
  readonly directory: string
  readonly data: string
  readonly serve: (env?: Readonly<Record<string, string>>) => Promise<Serving>
}

/** A short path, as sockets want them, with config.yml and an empty data directory. */
export function makeHome(t: Pick<Test, 'teardown'>, more = ''): Home {
  const directory = makeDirectory(t)
  const data = join(directory, 'data')
  mkdirSync(data)
  writeFileSync(
    join(directory, 'config.yml'),
    `version: 0.1\nstorage: {filesystem: {rootdirectory: ${data}}, delete: {enabled: true}}\n${more}`,
  )
  const serve = (env: Readonly<Record<string, string>> = {}) =>
    startServing(t, directory, ['serve', 'config.yml', ...LOCAL], env)
  return { directory, data, serve }
}

/** The path of the local socket when the keeper says that it listens there; throws when it does not in five minutes. */
export async function findSocket(data: string, not?: string): Promise<string> {
  const deadline = Date.now() + 300_000
  const facts = join(data, '.tarn', 'keeper.json')
  for (;;) {
    try {
      const { socket, since } = JSON.parse(readFileSync(facts, 'utf8')) as { socket?: string; since: string }
      if (socket !== undefined && since !== not) return socket
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' && !(error instanceof SyntaxError)) throw error
    }
    if (Date.now() > deadline) throw new Error(`${facts} names no socket`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Since when the keeper keeps the directory, which tells one from the next. */
export function keeperSince(data: string): string {
  return (JSON.parse(readFileSync(join(data, '.tarn', 'keeper.json'), 'utf8')) as { since: string }).since
}

/**
 * Pushes what a registry gathers: an image whose tag moved on (one manifest and one config without a tag), and a blob
 * that no manifest names.
 */
export async function pushLitter(url: string): Promise<{ readonly kept: string; readonly orphan: string }> {
  const client = openClient({ url })
  try {
    await pushImage(client, 'team/app', 'first', { reference: 'latest' })
    const { digest } = await pushImage(client, 'team/app', 'second', { reference: 'latest' })
    const orphan = await pushBlob(client, 'team/app', Buffer.from(`nobody needs it ${randomUUID()}`))
    return { kept: digest, orphan }
  } finally {
    client.close()
  }
}
