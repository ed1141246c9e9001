// The files of bundles that a person named: files, or a directory of parts.
import type { Stats } from 'node:fs'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Problem } from '../config/problem.ts'

const PART = /\.(?:tar|tar\.zst|tzst|tar\.gz|tgz)$/
/** The program as `npm run dist` calls it; `bundle create --with-tarn` puts it beside the bundle. */
export const PROGRAM_FILE = /^tarn-(\d+\.\d+\.\d+[\w.-]*?)-(?:image-)?linux-(?:x64|arm64)\.(?:tar\.gz|tar)$/

/** Files as they are, `-` too, and of a directory the archives in it by name, but for Tarn's own. Throws a Problem where there is none. */
export function listArchives(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (path === '-' || !statArchive(path).isDirectory()) return [path]
    const found = readdirSync(path).filter((name) => PART.test(name) && !PROGRAM_FILE.test(name))
    if (found.length > 0) return found.toSorted().map((name) => join(path, name))
    throw new Problem(`there is no bundle in ${path}`, { hint: 'a bundle is one or more .tar or .tar.zst files' })
  })
}

/** Throws a Problem when there is no such file. */
export function statArchive(path: string): Stats {
  const facts = statSync(path, { throwIfNoEntry: false })
  if (facts !== undefined) return facts
  throw new Problem(`there is no file ${path}`, { hint: 'check the path', exitCode: 2 })
}
