// Everything below a directory in one hash: names, kinds, bytes. Empty places where unfinished files lie do not count, nor
// directories in which there is nothing but such a place of an upload.
import { createHash } from 'node:crypto'
import { lstatSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const PLACES = new Set(['.tarn', '.tarn/tmp', '.tarn/cache'])

export function hashTree(directory: string): string {
  const hash = createHash('sha256')
  for (const name of (readdirSync(directory, { recursive: true }) as string[]).toSorted()) {
    const path = join(directory, name)
    const facts = lstatSync(path)
    if (facts.isDirectory() && (PLACES.has(name) || isPrivate(name, path) || isUploadPlace(path))) continue
    hash.update(`${name} ${facts.isDirectory() ? 'directory' : 'file'}\n`)
    if (facts.isFile()) hash.update(readFileSync(path))
  }
  return hash.digest('hex')
}

function isUploadPlace(path: string): boolean {
  const below = readdirSync(path, { recursive: true, withFileTypes: true })
  const isEmptyPlace = path.endsWith('/_uploads') && below.length === 0
  const last = below.filter((entry) => entry.name === '_uploads')
  return (
    isEmptyPlace ||
    (last.length > 0 && below.every((entry) => entry.isDirectory() && !/^_(?!uploads$)/.test(entry.name)))
  )
}

/** The directory that one life of a store keeps below `tmp` for itself. */
function isPrivate(name: string, path: string): boolean {
  return /^\.tarn\/tmp\/[0-9a-f-]{36}$/.test(name) && readdirSync(path).length === 0
}
