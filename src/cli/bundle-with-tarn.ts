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

const PROGRAM = /^(tarn-.+-linux-(?:x64|arm64))\.tar\.gz$/

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
  isSigned: boolean,
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
  const readme = join(directory, 'README.txt')
  await writeFile(
    readme,
    writeReadme(
      tarn.map((path) => basename(path)),
      bundle.map(({ path }) => basename(path)),
      isSigned,
    ),
  )
  sums.set('README.txt', await hashFileAt(readme))
  await writeSums(sumsPath, sums)
  return [...there, readme]
}

function writeReadme(tarn: readonly string[], bundle: readonly string[], isSigned: boolean): string {
  const programs = tarn.filter((name) => PROGRAM.test(name))
  const program = programs.find((name) => name.includes('-x64.')) ?? programs[0] ?? ''
  const images = tarn.filter((name) => name.includes('-image-'))
  const image = images.find((name) => name.includes('-x64.')) ?? images[0]
  const folder = PROGRAM.exec(program)?.[1] ?? ''
  const parts = bundle.map((name) => `/media/${name}`).join(' ')
  return `This medium holds container images and the registry that serves them. Nothing has to be fetched, nothing to be installed.
Below, /media stands for this directory.

0. Look whether all of it arrived:

   cd /media && sha256sum -c SHA256SUMS

1. Unpack Tarn${programs.length > 1 ? ' (on a machine with ARM processors the file that ends in arm64)' : ''}:

   tar -xzf /media/${program} -C /opt

2. Make a registry. It asks for a password, and says how clients trust it:

   /opt/${folder}/bin/tarn init /opt/registry --host $(hostname -f) --user admin
${
  isSigned
    ? `
   The images are signed. Put the line that the sender gave you by another way into /opt/registry/auth/allowed_signers.
`
    : ''
}
3. Take the images in:

   /opt/${folder}/bin/tarn bundle apply --config /opt/registry/config.yml ${parts}

Then serve them, until it is made a service of the machine:

   /opt/${folder}/bin/tarn serve /opt/registry/config.yml
${
  image === undefined
    ? ''
    : `
With podman in the place of 1${images.length > 1 ? ' (with ARM processors the file with arm64)' : ''}, after which localhost/tarn takes the commands from "init" on:

   podman load -i /media/${image}
`
}
Without Tarn: any registry:2 or registry:3 serves the images after  tar -xf  of each file of the bundle, in their order,
where its data/ lies.
`
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
