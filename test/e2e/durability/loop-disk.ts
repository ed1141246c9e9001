// A disk of its own for one test: a file system in a file, mounted by loop, whose power can be cut. The cut is
// the ioctl FS_IOC_SHUTDOWN without flushing the journal: from then on nothing reaches the disk, and what
// was not there yet is gone after the next mount, as after a real power cut. Root only.
import { join } from 'node:path'
import type { E2EContext } from '../helpers/suite.ts'
import { openMountSpace } from './mount-space.ts'

export type FileSystem = 'ext4' | 'xfs'

export interface LoopDisk {
  readonly kind: FileSystem
  /** Where it is mounted, for programs that are started with `prefix`. */
  readonly mountPoint: string
  /** The same place as this process sees it. */
  readonly view: string
  /** Words before a command that is to see the disk. */
  readonly prefix: readonly string[]
  mount(options?: string): Promise<void>
  unmount(): Promise<void>
  /** Cuts the power; the mount stays, and gives only errors, until it is unmounted. */
  cut(): Promise<void>
  /** Checks the unmounted file system, whose journal has been replayed; throws when it is not clean. */
  verify(): Promise<void>
}

// _IOR('X', 125, __u32); 2 is NOLOGFLUSH. Perl is on every Debian.
const CUT =
  'open(my $d, "<", $ARGV[0]) or die "open: $!"; my $f = pack("L", 2); ioctl($d, 0x8004587d, $f) or die "ioctl: $!"'

/** Makes and mounts a fresh file system of `megabytes` (xfs needs 300). Throws where that is not possible. */
export async function makeLoopDisk(context: E2EContext, kind: FileSystem, megabytes = 400): Promise<LoopDisk> {
  const { machine } = context
  const folder = await machine.scratch(`loop-${kind}`)
  const image = join(folder, 'image')
  const mountPoint = join(folder, 'disk')
  const space = await openMountSpace(context)
  const { prefix } = space
  let isMounted = false
  await machine.run('mkdir', [mountPoint])
  await machine.run('truncate', ['-s', `${megabytes}M`, image])
  if (kind === 'ext4')
    await machine.run('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image])
  else await machine.run('mkfs.xfs', ['-q', '-f', image])
  const disk: LoopDisk = {
    kind,
    mountPoint,
    view: space.view(mountPoint),
    prefix,
    async mount(options = 'defaults') {
      await machine.run('mount', ['-t', kind, '-o', `loop,${options}`, image, mountPoint], { prefix })
      isMounted = true
    },
    async unmount() {
      if (!isMounted) return
      await machine.run('umount', [mountPoint], { prefix })
      isMounted = false
    },
    cut: async () => void (await machine.run('perl', ['-e', CUT, mountPoint], { prefix })),
    async verify() {
      if (kind === 'ext4') await machine.run('e2fsck', ['-f', '-n', image])
      else await machine.run('xfs_repair', ['-n', image])
    },
  }
  machine.onEnd(() => disk.unmount())
  await disk.mount()
  return disk
}

/** Why loop mounts and power cuts cannot be had here; undefined when they can. */
export async function whyNoLoopDisk(context: E2EContext, kind: FileSystem): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'needs root for loop mounts'
  try {
    const disk = await makeLoopDisk(context, kind)
    await disk.cut()
    await disk.unmount()
    return undefined
  } catch (error) {
    return `no loop mount of ${kind} with FS_IOC_SHUTDOWN here: ${(error as Error).message.split('\n').join(' ')}`
  }
}
