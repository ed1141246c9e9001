// A mount namespace of one test's own. A container that starts meanwhile copies all mounts that it sees, and would
// hold ours after our umount: the next mount would then read a disk that another still writes. Root only.
import type { E2EContext } from '../helpers/suite.ts'

export interface MountSpace {
  /** Words before a command that is to run inside. */
  readonly prefix: readonly string[]
  /** A path inside as this process sees it. */
  view(path: string): string
}

/** Opens a namespace; it ends, with all that is mounted in it, with the machine. */
export async function openMountSpace({ machine }: E2EContext): Promise<MountSpace> {
  const args = ['--mount', '--propagation', 'private', 'sh', '-c', 'echo ready; exec sleep infinity']
  const keeper = machine.start('unshare', args)
  await keeper.waitFor(/ready/)
  return {
    prefix: ['nsenter', `--mount=/proc/${keeper.pid}/ns/mnt`],
    view: (path) => `/proc/${keeper.pid}/root${path}`,
  }
}
