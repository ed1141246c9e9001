// Every place at which a command changes the data directory, found by running it once under strace, and the words that
// kill it with SIGKILL right before it does so. strace stops each call by itself here: with --seccomp-bpf it would not
// deliver the signal, and every run would look like a survival.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Machine } from '../helpers/machine.ts'

const CALLS = [
  'rename',
  'renameat',
  'renameat2',
  'link',
  'linkat',
  'unlink',
  'unlinkat',
  'rmdir',
  'mkdir',
  'mkdirat',
  'openat',
  'write',
  'pwrite64',
  'pwritev',
  'ftruncate',
  'fsync',
  'fdatasync',
  'utimensat',
  'copy_file_range',
  'sendfile',
  'symlink',
  'chmod',
  'fchmod',
]
// Architectures without one of them must not make strace refuse.
const SELECTION = CALLS.map((call) => `?${call}`).join(',')

export interface KillPoint {
  /** `unlink docker/…/link (2)`, for people. */
  readonly name: string
  /** Options of strace that kill the command there. */
  readonly words: readonly string[]
}

export interface Command {
  readonly program: string
  readonly args: readonly string[]
}

// One thread for libuv's file calls: their order is then the same in each run.
const ENV = { UV_THREADPOOL_SIZE: '1' }

/** Runs the command on `data` to its end and gives its kill points in their order. */
export async function findKillPoints(
  machine: Machine,
  { program, args }: Command,
  data: string,
  codes: readonly number[],
): Promise<KillPoint[]> {
  const log = join(await machine.scratch('strace'), 'log')
  const words = ['-f', '-y', '-s', '4096', '-o', log, '-e', `trace=${SELECTION}`, program, ...args]
  await machine.run('strace', words, { env: ENV, codes })
  return parseKillPoints(await readFile(log, 'latin1'), data)
}

/** Runs the command so that it is killed at the point; gives how it ended. `codes` are those of one that survives. */
export async function runUntilKilled(
  machine: Machine,
  { program, args }: Command,
  point: KillPoint,
  codes: readonly number[],
): Promise<'killed' | 'survived'> {
  const words = ['-f', '-o', '/dev/null', ...point.words, program, ...args]
  // strace ends as what it traced ended; a shell makes a number of that.
  const { text } = await machine.run('sh', ['-c', 'strace "$@" >/dev/null 2>&1; echo "ended $?"', 'sh', ...words], {
    env: ENV,
  })
  const code = /ended (\d+)$/.exec(text)?.[1]
  if (code === '137') return 'killed'
  if (codes.includes(Number(code))) return 'survived'
  throw new Error(`${point.name}: neither killed nor survived: ${text}`)
}

/** Reads a trace of `strace -f -y`; only calls that change something below `data` count. */
export function parseKillPoints(trace: string, data: string): KillPoint[] {
  const points: KillPoint[] = []
  const byPath = new Map<string, number>()
  const byCall = new Map<string, number>()
  const next = (map: Map<string, number>, key: string): number => {
    const count = (map.get(key) ?? 0) + 1
    map.set(key, count)
    return count
  }
  for (const line of trace.split('\n')) {
    const [, thread = '', call = '', args = ''] = /^(\d+) +(\w+)\((.*)$/.exec(line) ?? []
    if (call === '') continue
    const inAll = next(byCall, `${thread} ${call}`)
    const path = findPath(args)
    if (path === undefined || !`${path}/`.startsWith(`${data}/`)) continue
    const here = next(byPath, `${thread} ${call} ${path}`)
    if (call === 'openat' && !/O_CREAT|O_TRUNC/.test(args)) continue
    const shown = path.slice(data.length + 1)
    // The lock of the directory is SQLite's affair, and nothing depends on what is in it.
    if (shown.startsWith('.tarn/lock')) continue
    // A name that another run will not have: the call is counted among all of its thread instead.
    const isRandom = /[0-9a-f]{8}-[0-9a-f]{4}-/.test(path)
    const only = isRandom ? [] : ['-P', path]
    const when = isRandom ? inAll : here
    points.push({
      name: `${call} ${shown} (${when})`,
      words: [...only, '-e', `trace=${call}`, '-e', `inject=${call}:signal=KILL:when=${when}`],
    })
  }
  return points
}

// The first path that the call names, as text or as what a descriptor stands for.
function findPath(args: string): string | undefined {
  const descriptor = /^\d+<([^>]*)>/.exec(args)?.[1]
  return descriptor ?? /"((?:[^"\\]|\\.)*)"/.exec(args)?.[1]
}
