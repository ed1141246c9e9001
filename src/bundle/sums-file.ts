// SHA256SUMS beside a bundle, as `sha256sum -c` reads it. Other files of its directory have their lines there too.
import { readFile, rename, writeFile } from 'node:fs/promises'
import { isNotThere } from '../storage/stamp.ts'
import { UNFINISHED } from './part-file.ts'

export type Sums = ReadonlyMap<string, string>

const LINE = /^([0-9a-f]{64}) [ *](.+)$/

/** The sums by name of file; none where there is no such file. What is no line of it is passed over. */
export async function readSums(path: string): Promise<Sums> {
  const sums = new Map<string, string>()
  let text = ''
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (!isNotThere(error)) throw error
  }
  for (const line of text.split('\n')) {
    const [, hex, name] = LINE.exec(line) ?? []
    if (hex !== undefined && name !== undefined) sums.set(name, hex)
  }
  return sums
}

/** Writes the file in the place of what was there, sorted by name. */
export async function writeSums(path: string, sums: Sums): Promise<void> {
  const lines = [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, hex]) => `${hex}  ${name}\n`)
  await writeFile(`${path}${UNFINISHED}`, lines.join(''))
  await rename(`${path}${UNFINISHED}`, path)
}
