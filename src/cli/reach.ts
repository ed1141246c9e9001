// How a command gets work done on a data directory: through the registry that keeps it, over its local socket, else
// with the directory's lock in this process. It never works beside a keeper, and never takes its lock away.
import { statSync } from 'node:fs'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LoadedConfig } from '../config/load.ts'
import { Problem } from '../config/problem.ts'
import type { ActEvent, ArchiveBody } from '../http/api/given.ts'
import type { OptionsOf, ReportOf, RouteName } from '../http/api/routes.ts'
import { findOwner, readSocketPlaces, socketDirectories, socketName } from '../http/socket-path.ts'
import type { Context } from '../registry/context.ts'
import { KeptElsewhere } from '../registry/kept-elsewhere.ts'
import { readKeeper } from '../storage/keeper.ts'
import type { Layout } from '../storage/layout.ts'
import type { CommandContext } from './context.ts'
import { findDataDirectory } from './data-directory.ts'
import type { Home } from './home.ts'
import { describeHome } from './home.ts'
import { callSocket } from './socket-client.ts'
import { describeStranger } from './stranger.ts'

export interface Reached {
  /** Whether a running registry does the work; its leases then hold. */
  readonly served: boolean
  /** Carries out an act of the admin API (`POST /gc`); throws what is wrong for a person to read. */
  call<Name extends RouteName>(
    name: Name,
    options: OptionsOf<Name>,
    onEvent?: (event: ActEvent) => void,
    archive?: ArchiveBody,
  ): Promise<ReportOf<Name>>
  /** How images are put into it: over its socket, or by the use cases in this process. */
  readonly images: { readonly socketPath: string } | { readonly context: Context }
  /** Frees what was taken. */
  close(): Promise<void>
}

// A keeper that has just begun, or is about to end, has the lock for a moment and no socket.
const PATIENCE_MS = 3000
const AGAIN_MS = 100
const ANSWER_MS = 5000

/**
 * Finds the registry of the home, or takes its directory. Throws a Problem when there is no directory, when it is another
 * user's, or when a process that does not answer keeps it. An act that `removes` something does so only in a directory
 * that its user meant, or that a running registry serves: else the directory may be any other program's.
 */
export async function reach(
  home: LoadedConfig & Partial<Pick<Home, 'meant'>>,
  { clock }: Pick<CommandContext, 'clock'>,
  { removes }: { readonly removes: boolean } = { removes: true },
): Promise<Reached> {
  const layout = findDataDirectory(home)
  const until = performance.now() + PATIENCE_MS
  for (;;) {
    const found = await findServer(layout)
    if ('path' in found) return reachSocket(found.path)
    if (removes && home.meant === false) throw describeUnmeant(home)
    const stranger = describeStranger(layout, process.getuid?.() ?? 0)
    if (stranger !== undefined) throw stranger
    try {
      // Only here: with a registry at hand nothing of it need be loaded.
      const { reachDirectory } = await import('./reach-directory.ts')
      return await reachDirectory(home, clock)
    } catch (error) {
      if (!(error instanceof KeptElsewhere)) throw error
      if (performance.now() > until) throw describeSilence(error, found.refused)
    }
    await sleep(AGAIN_MS)
  }
}

/**
 * The running registry that keeps the home's directory; undefined when none answers, whoever keeps it then. For commands
 * that only read and go on without.
 */
export async function findRegistry(home: LoadedConfig): Promise<Reached | undefined> {
  const found = await findServer(findDataDirectory(home))
  return 'path' in found ? reachSocket(found.path) : undefined
}

/** The socket on which the keeper of this directory answers, or why those that are there are not it. */
async function findServer(layout: Layout): Promise<{ readonly path: string } | { readonly refused: string[] }> {
  const places = readSocketPlaces(process.env)
  const { uid } = places
  const name = socketName(layout.root)
  const told = readKeeper(layout)?.socket
  const usual = socketDirectories(places).map((place) => `${place}/${name}`)
  // A data directory can come from a stranger, with a file that names any path.
  const paths = new Set([...(told !== undefined && basename(told) === name ? [told] : []), ...usual])
  const uids = [uid, 0, ...(uid === 0 ? keeperUids(layout) : [])]
  const refused: string[] = []
  for (const path of paths) {
    try {
      const owner = findOwner(path, uids)
      if (owner === undefined) continue
      if (owner !== 'trusted') refused.push(`${path} belongs to uid ${owner.uid}, or others may write there`)
      else if (await answersFor(layout.root, path)) return { path }
      else refused.push(`another registry answers on ${path}`)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      // Nobody listens there any more.
      if (code !== 'ECONNREFUSED' && code !== 'ENOENT') refused.push(`${path}: ${code ?? message}`)
    }
  }
  return { refused }
}

// Root may give work to a registry of whichever user: the one who wrote the file of the keeper.
function keeperUids(layout: Layout): number[] {
  const uid = statSync(layout.keeper, { throwIfNoEntry: false })?.uid
  return uid === undefined ? [] : [uid]
}

async function answersFor(directory: string, socketPath: string): Promise<boolean> {
  const call = { socketPath, name: 'GET /status', options: {}, onEvent: () => undefined, within: ANSWER_MS }
  const status = (await callSocket(call)) as ReportOf<'GET /status'>
  return status.keeps && status.directory.inode === statSync(directory).ino
}

function describeUnmeant(home: LoadedConfig): Problem {
  const what = `there is no configuration in ${process.cwd()}, and nobody said that this registry is meant`
  return new Problem(`${what} (${describeHome(home)})`, {
    hint: 'nothing was changed; name the configuration: --config FILE',
    exitCode: 2,
  })
}

function describeSilence({ message }: KeptElsewhere, refused: readonly string[]): Problem {
  const tried = refused.length === 0 ? '' : ` (${refused.join('; ')})`
  return new Problem(`${message}, and cannot be reached over a local socket${tried}`, {
    hint: 'give the command as the user of that process, in a container with: podman exec NAME tarn …; or end that process first',
  })
}

function reachSocket(socketPath: string): Reached {
  return {
    served: true,
    images: { socketPath },
    async call<Name extends RouteName>(
      name: Name,
      options: OptionsOf<Name>,
      onEvent: (event: ActEvent) => void = () => undefined,
      archive?: ArchiveBody,
    ) {
      return (await callSocket({ socketPath, name, options, onEvent, archive })) as ReportOf<Name>
    },
    close: async () => undefined,
  }
}
