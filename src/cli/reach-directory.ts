// Work on a data directory that no registry serves: in this process, under the directory's lock.
import { randomUUID } from 'node:crypto'
import { accessSync, constants, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Holds } from '../bundle/holds.ts'
import { readTrust, signersPath } from '../bundle/trust.ts'
import type { LoadedConfig } from '../config/load.ts'
import { Problem } from '../config/problem.ts'
import type { ActEvent, ApiParts, ArchiveBody } from '../http/api/given.ts'
import { Jobs } from '../http/api/jobs.ts'
import type { OptionsOf, ReportOf, RouteName } from '../http/api/routes.ts'
import { prepareCall } from '../http/api/routes.ts'
import { RegistryError } from '../oci/errors.ts'
import { openUpkeep } from '../open-upkeep.ts'
import type { Reached } from './reach.ts'

// What root makes in the directory of another user would lock that user's registry out of it. There is no way back: the
// rest of the command needs no more than the owner may do.
function becomeOwner(directory: string): void {
  const { uid, gid } = statSync(directory)
  if (process.getuid?.() !== 0 || uid === 0) return
  process.setgroups?.([gid])
  process.setgid?.(gid)
  process.setuid?.(uid)
  if (!isReachable(directory)) {
    throw new Problem(`the data directory ${directory} belongs to uid ${uid}, and that user cannot reach it here`, {
      hint: 'give the command where that user can: podman exec NAME tarn …, or let others search the directories above it',
    })
  }
}

function isReachable(directory: string): boolean {
  try {
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Takes the directory of the home. Throws KeptElsewhere when another process keeps it. */
export async function reachDirectory({ config, path }: LoadedConfig, clock: () => number): Promise<Reached> {
  becomeOwner(config.storage.filesystem.rootdirectory)
  const opened = await openUpkeep(config, { clock, home: path === undefined ? undefined : dirname(resolve(path)) })
  const root = resolve(config.storage.filesystem.rootdirectory)
  const parts: ApiParts = {
    upkeep: opened.upkeep,
    grace: config.gc.grace,
    jobs: new Jobs(clock),
    holds: new Holds(randomUUID),
    clock,
    sync: () => opened.sync.open(),
    trust: () => readTrust(signersPath(config, path && dirname(resolve(path))), clock()),
    releases: () => opened.releases,
    standing: () => ({
      directory: { path: root, inode: statSync(root).ino },
      keeper: undefined,
      keeps: true,
      readOnly: undefined,
      room: undefined,
    }),
  }
  return {
    served: false,
    images: { context: opened.upkeep.context },
    async call<Name extends RouteName>(
      name: Name,
      options: OptionsOf<Name>,
      onEvent: (event: ActEvent) => void = () => undefined,
      archive?: ArchiveBody,
    ) {
      try {
        return (await prepareCall(name, options).act(parts, onEvent, archive)) as ReportOf<Name>
      } catch (error) {
        if (!(error instanceof RegistryError) || error.status !== 400) throw error
        throw new Problem(error.message, { exitCode: 2, cause: error })
      }
    },
    close: () => opened.close(),
  }
}
