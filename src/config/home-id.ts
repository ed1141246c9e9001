// What tells one home from another: a random name beside config.yml, outside the data directory, so that it is not carried
// along with the data. What lies under the data directory and says whose it is can then be believed or not.
import { randomBytes } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const FILE = 'home-id'
const GRAMMAR = /^[0-9a-f]{32}$/

/**
 * The id of the home in `directory`; with `make` it is made when there is none. Where it can neither be read nor made (a
 * read-only /etc in a container), the data directory's own identity stands in for it: it changes when the data is copied.
 */
export function readHomeId(directory: string | undefined, dataDirectory: string, make: boolean): string {
  return (directory === undefined ? undefined : readOrMake(join(directory, FILE), make)) ?? identityOf(dataDirectory)
}

function readOrMake(path: string, make: boolean): string | undefined {
  try {
    const id = read(path)
    if (id !== undefined || !make) return id
    writeFileSync(path, `${randomBytes(16).toString('hex')}\n`, { flag: 'wx', mode: 0o644 })
    return read(path)
  } catch {
    return undefined
  }
}

function read(path: string): string | undefined {
  try {
    const id = readFileSync(path, 'latin1').trim()
    return GRAMMAR.test(id) ? id : undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

// Not the device's number, which another start of the machine may change; but where the file system does not know when
// the directory was made, there is little else.
function identityOf(directory: string): string {
  const { dev, ino, birthtimeMs } = statSync(directory)
  return birthtimeMs > 0 ? `directory-${ino}-${Math.floor(birthtimeMs)}` : `directory-${dev}-${ino}`
}
