// Bundles against tar, on the same directory: writing one, and taking one in. The two sides take turns. Some 14 GB of the
// temporary directory are used and freed; TARN_BENCH_GB makes it another size.
import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { plantImages } from '../e2e/bundle/plant.ts'
import type { BenchContext, Results, Row } from './helpers/bench.ts'

const GIGABYTES = 4
/** Bytes of an image's layer, as pulled images have them: many small ones, and few that are most of the bytes. */
const LAYERS = [100_000, 1_000_000, 5_000_000, 20_000_000, 60_000_000]
const TIMEOUT = 1_200_000

/** Measures all of it; throws when a command fails. */
export async function measureBundle({ machine, checkout, rounds, progress }: BenchContext): Promise<Results> {
  const gigabytes = Number(process.env['TARN_BENCH_GB'] ?? GIGABYTES)
  const home = await machine.scratch('bench-bundle')
  const data = join(home, 'data')
  const at = (name: string): string => join(home, name)
  const each = LAYERS.reduce((sum, size) => sum + size, 0)
  let planted = 0
  for (let left = gigabytes * 1e9; left > 0; left -= each) {
    for (const size of LAYERS) planted += plantImages(data, 1, size, planted).length
  }
  await writeConfig(at('config.yml'), data)
  const tarn = (config: string, ...args: string[]) =>
    time(machine, process.execPath, [join(checkout, 'src/main.ts'), ...args, '--config', config], home)
  const tar = (...args: string[]) => time(machine, 'tar', args, home)
  const seconds = { cold: [], plain: [], known: [], apply: [], extract: [], gzip: [] } as Record<string, number[]>
  const note = (name: string, taken: number): void => {
    seconds[name]?.push(taken)
    progress(`${name}: ${taken.toFixed(1)} s`)
  }
  for (let round = 0; round < rounds; round += 1) {
    await clear(machine, at('a.tar'), at('b.tar'), at('SHA256SUMS'))
    await rm(at('data/.tarn'), { recursive: true, force: true })
    note('cold', await tarn(at('config.yml'), 'bundle', 'create', at('a.tar')))
    await clear(machine)
    note('plain', await tar('-cf', at('b.tar'), 'data'))
    await clear(machine, at('b.tar'), at('plain'))
    await mkdir(at('plain'))
    note('extract', await time(machine, 'sh', ['-c', `tar -xf ${at('a.tar')} -C plain && sync -f plain`], home))
    await clear(machine, at('plain'), at('far'))
    await mkdir(at('far/data'), { recursive: true })
    await writeConfig(at('far.yml'), at('far/data'))
    note('apply', await tarn(at('far.yml'), 'bundle', 'apply', at('a.tar')))
    // From a directory as Tarn keeps it: what came in was verified then, and only what changed since is hashed again. As
    // much is in memory as when tar wrote: else the kernel would have to make room meanwhile.
    await clear(machine, at('a.tar'), at('SHA256SUMS'))
    note('known', await tarn(at('far.yml'), 'bundle', 'create', at('a.tar')))
    await clear(machine, at('far'))
  }
  const { size } = await stat(at('a.tar'))
  await clear(machine, at('a.tar'))
  note('gzip', await tar('-zcf', at('b.tar'), 'data'))

  const rate = (name: string): number[] => (seconds[name] ?? []).map((taken) => size / 1e6 / taken)
  const row = (name: string, ours: string, theirs?: string): Row => {
    return { name, unit: 'MB/s', tarn: rate(ours), peer: theirs === undefined ? [] : rate(theirs) }
  }
  const what = `${(size / 1e9).toFixed(1)} GB`
  const rows = [
    row(`create, ${what}; tar -cf`, 'known', 'plain'),
    row(`create, ${what}; tar -zcf`, 'known', 'gzip'),
    row(`create, ${what}, of a directory by others; tar -cf`, 'cold', 'plain'),
    row(`apply, ${what}, every byte verified; tar -xf && sync -f`, 'apply', 'extract'),
  ]
  const names = rows.map(({ name }) => name)
  return {
    peer: 'tar',
    rows,
    requirements: [
      { name: 'create takes at most 1.2 times as long as tar -cf', row: names[0] ?? '', times: 1 / 1.2 },
      { name: 'create is at least 10 times as fast as tar -zcf', row: names[1] ?? '', times: 10 },
      { name: 'apply takes at most 1.3 times as long as tar -xf && sync -f', row: names[3] ?? '', times: 1 / 1.3 },
    ],
  }
}

/** Removes files and waits until the disk has everything, so that nobody pays for what came before. */
async function clear(machine: BenchContext['machine'], ...paths: readonly string[]): Promise<void> {
  for (const path of paths) await rm(path, { recursive: true, force: true })
  await machine.run('sync', [])
}

async function time(
  machine: BenchContext['machine'],
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<number> {
  const start = performance.now()
  await machine.run(command, args, { cwd, timeout: TIMEOUT })
  return (performance.now() - start) / 1000
}

async function writeConfig(path: string, data: string): Promise<void> {
  const config = { version: 0.1, storage: { filesystem: { rootdirectory: data } }, http: { addr: '127.0.0.1:0' } }
  await writeFile(path, JSON.stringify(config))
}
