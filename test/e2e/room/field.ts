// A server on a tmpfs of 64 MB in a mount namespace of its own, and the means to fill that.
import { mkdir, writeFile } from 'node:fs/promises'
import { rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import type { Client } from '../durability/client.ts'
import { connectTo } from '../durability/client.ts'
import { openMountSpace } from '../durability/mount-space.ts'
import { scrub } from '../durability/scrub.ts'
import type { Served } from '../durability/serve.ts'
import { serve } from '../durability/serve.ts'
import type { E2EContext } from '../helpers/suite.ts'
import { takeBytes, takeInodes } from '../tar/small-disks.ts'

export interface Field {
  readonly served: Served
  readonly port: number
  readonly client: Client
  /** The data directory as this process sees it. */
  readonly data: string
  /** Takes all bytes but about `spare`. */
  fillBytes(spare?: number): void
  fillInodes(): void
  clear(): void
  free(): { readonly bytes: number; readonly inodes: number }
  /** Runs a collection as an administrator does, whether a server runs or not; throws when it fails. */
  collect(...options: string[]): Promise<void>
  /** Starts another server on the same disk, when this one has ended. */
  restart(): Promise<Field>
}

export interface Marks {
  readonly warn: string
  readonly stop: string
}

const OPTIONS = 'size=64m,nr_inodes=6000'
// Short, so that what was deleted in one round is freed a few rounds later.
const GC = { schedule: 'off', lease: '3s', grace: '1s' }

/** Mounts the disk and starts the server; both end with the machine. */
export async function openField(context: E2EContext, room?: Marks): Promise<Field> {
  const { machine } = context
  const space = await openMountSpace(context)
  const mountPoint = join(await machine.scratch('room'), 'disk')
  await mkdir(mountPoint)
  await machine.run('mount', ['-t', 'tmpfs', '-o', OPTIONS, 'tmpfs', mountPoint], { prefix: space.prefix })
  const view = space.view(mountPoint)
  const file = join(await machine.scratch('config'), 'config.yml')
  const config = {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(mountPoint, 'data') }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0' },
    gc: GC,
    ...(room === undefined ? {} : { limits: { room } }),
  }
  // JSON is YAML.
  await writeFile(file, JSON.stringify(config))
  return startField(context, { file, view, prefix: space.prefix })
}

interface Ground {
  /** The configuration. */
  readonly file: string
  /** The disk as this process sees it. */
  readonly view: string
  readonly prefix: readonly string[]
}

async function startField(context: E2EContext, ground: Ground): Promise<Field> {
  const { machine } = context
  const { file, view, prefix } = ground
  const served = await serve(context, file, { prefix })
  const [bytes, inodes] = [join(view, 'filler'), join(view, 'fillers')]
  const main = join(context.checkout, 'src', 'main.ts')
  return {
    served,
    port: Number(new URL(served.origin).port),
    client: connectTo(served.origin),
    data: join(view, 'data'),
    fillBytes: (spare = 0) => takeBytes(bytes, spare),
    fillInodes: () => takeInodes(inodes),
    clear() {
      for (const filler of [bytes, inodes]) rmSync(filler, { recursive: true, force: true })
    },
    free() {
      const { bavail, bsize, ffree } = statfsSync(view)
      return { bytes: bavail * bsize, inodes: ffree }
    },
    collect: async (...options) =>
      void (await machine.run(context.node, [main, 'gc', '--quiet', '--config', file, ...options], { prefix })),
    restart: () => startField(context, ground),
  }
}

/** Ends the server and looks at what it leaves: every blob whole, nothing half written. */
export async function closeField({ served, client, data }: Field): Promise<void> {
  client.close()
  await served.kill('SIGTERM')
  const { problems } = await scrub(data)
  if (problems.length > 0) throw new Error(problems.slice(0, 5).join('; '))
}

/** Throws `what` unless it is so. */
export function insist(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(what)
}
