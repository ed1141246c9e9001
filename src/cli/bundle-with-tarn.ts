// `tarn bundle create --with-tarn`: puts Tarn itself beside the bundle, with a README.txt that says what to do at the far
// side, where there may be nothing but tar.
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readdirSync } from 'node:fs'
import { copyFile, rename, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { Problem } from '../config/problem.ts'
import { PROGRAM_FILE } from '../bundle/archive-files.ts'
import { readSums, writeSums } from '../bundle/sums-file.ts'
import type { WrittenFile } from '../bundle/write-bundle.ts'
import { README } from '../bundle/write-bundle.ts'
import type { Medium } from './bundle-readme.ts'
import { PROGRAM, writeReadme } from './bundle-readme.ts'

/** The files that `npm run dist` made. Throws a Problem when there are none; `named` is a folder that a person named. */
export function findTarn(named: string | undefined): readonly string[] {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
  // In a checkout, or beside the directory into which it was unpacked (tarn-…/lib/tarn).
  const places = named === undefined ? [join(root, 'release'), resolve(root, '../../..')] : [resolve(named)]
  for (const place of places) {
    const files = existsSync(place) ? readdirSync(place).filter((name) => PROGRAM_FILE.test(name)) : []
    if (files.some((name) => PROGRAM.test(name))) return files.toSorted().map((name) => join(place, name))
  }
  throw new Problem(`Tarn itself is not in ${places.join(' or ')}`, {
    hint: 'make it in a checkout: npm run dist; or name the folder: --with-tarn FOLDER',
    exitCode: 2,
  })
}

/** Copies them into the directory of the bundle and writes README.txt; gives what is there. */
export async function addTarn(
  tarn: readonly string[],
  bundle: readonly Pick<WrittenFile, 'path'>[],
  facts: Pick<Medium, 'isSigned' | 'index'>,
): Promise<readonly string[]> {
  const directory = dirname(bundle[0]?.path ?? '.')
  const sumsPath = join(directory, 'SHA256SUMS')
  const sums = new Map(await readSums(sumsPath))
  const there: string[] = []
  for (const from of tarn) {
    const to = join(directory, basename(from))
    there.push(to)
    if (resolve(from) !== resolve(to) && !(await isSame(from, to))) {
      await copyFile(from, `${to}.partial`)
      await rename(`${to}.partial`, to)
    }
    sums.set(basename(to), await hashFileAt(to))
  }
  const readme = join(directory, README)
  await writeFile(
    readme,
    writeReadme({
      tarn: tarn.map((path) => basename(path)),
      bundle: bundle.map(({ path }) => basename(path)),
      ...facts,
    }),
  )
  sums.set(README, await hashFileAt(readme))
  await writeSums(sumsPath, sums)
  return [...there, readme]
}

async function isSame(from: string, to: string): Promise<boolean> {
  if (!existsSync(to)) return false
  if ((await stat(from)).size !== (await stat(to)).size) return false
  return (await hashFileAt(from)) === (await hashFileAt(to))
}

async function hashFileAt(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash)
  return hash.digest('hex')
}
