// What the rows of the suite share: a registry:2 with many images behind a relay that counts, homes that sync from it, and
// questions to both sides.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDockerRegistryProgram } from '../helpers/docker-registry.ts'
import type { Machine, Output, Service } from '../helpers/machine.ts'
import type { E2EContext } from '../helpers/suite.ts'
import { makeTarnProgram, startRegistry } from '../helpers/tarn.ts'
import type { Relay } from '../mirror/relay.ts'
import { startRelay } from '../mirror/relay.ts'
import type { Planted } from './plant-images.ts'
import { plantImages } from './plant-images.ts'

const MIB = 1024 * 1024

/** The scale of the suite: TARN_E2E_SYNC_IMAGES=200 TARN_E2E_SYNC_MIB=4096 is the whole. */
export const SCALE = {
  images: Number(process.env['TARN_E2E_SYNC_IMAGES'] ?? 40),
  bytes: Number(process.env['TARN_E2E_SYNC_MIB'] ?? 64) * MIB,
  repositories: 10,
  /**
   * Bytes a second of the line where something is to happen meanwhile: all of it in about 15 seconds, but never more than
   * 1 Gbit/s. What a faster one has sent and nobody has read yet is lost with every kill: up to 6 MB a connection.
   */
  get line(): number {
    return Math.min(this.bytes / 15, 125_000_000)
  },
}

const ROOM = { room: { warn: '0', stop: '0' } }

/** As image names have the upstream. */
export const UP = 'up.test'

export interface SyncReport {
  readonly outcome: string
  readonly images: readonly {
    readonly to: string
    readonly tag: string
    readonly result: string
    readonly why?: string
  }[]
  readonly counts: Readonly<Record<string, number>>
  readonly bytes: number
  readonly seconds: number
  readonly fault?: { readonly message: string }
}

export interface Source {
  /** Past the relay. */
  readonly url: string
  readonly data: string
  readonly planted: Planted
  /** Another relay to it. */
  relay(): Promise<Relay>
}

/** A registry:2 with the images of the scale. */
export async function startSource(machine: Machine, more?: (data: string) => Promise<void>): Promise<Source> {
  const data = join(await machine.scratch('sync-up'), 'data')
  await mkdir(data)
  const planted = await plantImages({ data, ...SCALE })
  await more?.(data)
  const registry = await startRegistry(machine, makeDockerRegistryProgram(), {
    data,
    config: { log: { level: 'info', accesslog: { disabled: true } } },
  })
  const port = Number(new URL(registry.url).port)
  return {
    url: registry.url,
    data,
    planted,
    relay: () => startRelay(port, { onEnd: async (act) => machine.onEnd(act) }),
  }
}

export interface SyncHome {
  readonly directory: string
  readonly data: string
  /** Writes `s.yml` for this upstream: the whole of it, or these entries. */
  write(upstream: string, entries?: readonly string[]): Promise<void>
  /** `tarn --json sync s.yml ARGS`; throws for another exit code than these. */
  sync(codes: readonly number[], ...args: readonly string[]): Promise<{ output: Output; report: SyncReport }>
  /** The same as a child that somebody ends. */
  start(...args: readonly string[]): Service
  tarn(args: readonly string[], codes?: readonly number[]): Promise<Output>
  /** Takes its data away, which at full scale are gigabytes. */
  drop(): Promise<void>
  /** A registry on its directory, the same home each time: what one life marked as mirrored the next one knows. */
  serve(): Promise<{ url: string; stop(signal?: NodeJS.Signals): Promise<void> }>
}

/** A home of its own; `data` is elsewhere where that is told. */
export async function makeSyncHome({ checkout, node, machine }: E2EContext, data?: string): Promise<SyncHome> {
  const directory = await machine.scratch('sync-home')
  const main = join(checkout, 'src', 'main.ts')
  const root = data ?? join(directory, 'data')
  await mkdir(root, { recursive: true })
  await writeFile(
    join(directory, 'config.yml'),
    JSON.stringify({
      version: 0.1,
      storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
      limits: ROOM,
    }),
  )
  const tarn: SyncHome['tarn'] = (args, codes = [0]) =>
    machine.run(node, [main, ...args], { cwd: directory, codes, timeout: 1_800_000 })
  return {
    directory,
    data: root,
    tarn,
    async write(upstream, entries = [`{from: ${UP}, to: lab}`]) {
      const lines = [
        'version: 1',
        `registries: {${UP}: {insecure: true, url: ["${upstream}"]}}`,
        'sync:',
        ...entries.map((each) => `  - ${each}`),
      ]
      await writeFile(join(directory, 's.yml'), `${lines.join('\n')}\n`)
    },
    async sync(codes, ...args) {
      const output = await tarn(['--json', 'sync', 's.yml', ...args], codes)
      return { output, report: JSON.parse(output.text) as SyncReport }
    },
    start: (...args) => machine.start(node, [main, 'sync', 's.yml', ...args], { cwd: directory }),
    drop: () => rm(root, { recursive: true, force: true }),
    async serve() {
      const registry = await startRegistry(machine, makeTarnProgram(checkout, node), {
        data: root,
        home: join(directory, 'home'),
        config: { limits: ROOM },
      })
      return { url: registry.url, stop: (signal) => registry.stop(signal) }
    },
  }
}

/** Tags of a data directory, as `repository:tag` and what they lead to. */
export async function readTag(data: string, repository: string, tag: string): Promise<string | undefined> {
  const path = join(data, 'docker/registry/v2/repositories', repository, '_manifests/tags', tag, 'current/link')
  return readFile(path, 'utf8').catch(() => undefined)
}

/** How many of the planted images are here under `lab/`, each at its digest. Throws for a tag that leads elsewhere. */
export async function countHere({ data }: SyncHome, { images }: Planted): Promise<number> {
  let here = 0
  for (const { repository, tag, digest } of images) {
    const found = await readTag(data, `lab/${repository}`, tag)
    if (found !== undefined && found !== digest) throw new Error(`lab/${repository}:${tag} leads to ${found}`)
    if (found !== undefined) here += 1
  }
  return here
}

/** Throws unless every blob, manifest and link of the home is right. */
export async function requireSound(home: SyncHome): Promise<void> {
  await home.tarn(['check'])
}

export function require(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}
