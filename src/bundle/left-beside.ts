// What an earlier bundle of the same name left in a folder: parts of another size, another packing, a signature. Whoever
// carries the folder carries that too, and `bundle apply FOLDER` takes it for more bundles.
import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

const REST = {
  '.tar': /^(?:\.part-\d{4}-of-\d{4})?\.tar(?:\.zst)?(?:\.partial)?$/,
  '': /^(?:\.part-\d{4}-of-\d{4})?(?:\.zst)?(?:\.partial)?$/,
}

/**
 * Files beside `path` that are named as parts of the bundle `path` and are none of `own`, by name; its signature too, when
 * it `isSigned` no more. Only named: they may be anybody's, so nothing is done with them.
 */
export function findLeftBeside(path: string, own: readonly string[], isSigned: boolean): readonly string[] {
  const plain = basename(path).replace(/\.zst$/, '')
  const ending = plain.endsWith('.tar') ? '.tar' : ''
  const stem = plain.slice(0, plain.length - ending.length)
  const names = new Set(own.map((file) => basename(file)))
  const isLeft = (name: string): boolean => {
    if (!name.startsWith(stem) || names.has(name)) return false
    const rest = name.slice(stem.length)
    return REST[ending].test(rest) || (!isSigned && rest === `${ending}.sig`)
  }
  return listNames(dirname(path))
    .filter(isLeft)
    .toSorted()
    .map((name) => join(dirname(path), name))
}

// One may write into a folder and not list it: what was written is no worse for that.
function listNames(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
