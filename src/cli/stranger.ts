// A data directory that belongs to another user than the one who gives the command. It is never to be given away by
// `chown`: the registry that runs as its owner would be locked out.
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { Problem } from '../config/problem.ts'
import { readKeeper } from '../storage/keeper.ts'
import type { Layout } from '../storage/layout.ts'

/** The problem of a command of a user who may not write what another user owns; undefined where that is not so. */
export function describeStranger(layout: Layout, ownUid: number): Problem | undefined {
  const { uid } = statSync(layout.root)
  if (ownUid === 0 || uid === ownUid || isWritable(layout)) return undefined
  const keeper = readKeeper(layout)
  const kept = keeper === undefined ? '' : `, kept by process ${keeper.pid}`
  return new Problem(`the data directory ${layout.root} belongs to uid ${uid}${kept}; this is uid ${ownUid}`, {
    hint: `give the command as that user: sudo -u ${nameUser(uid)} tarn …`,
  })
}

/** The problem of a path that this user cannot come to. */
export function describeClosed(path: string, cause: unknown): Problem {
  const uid = process.getuid?.() ?? 0
  return new Problem(`uid ${uid} cannot come to ${path}: a directory above it is closed to that user`, {
    hint: 'give the command as the user of the registry: sudo -u NAME tarn …',
    cause,
  })
}

// The lock, and who keeps it, are written below `own`; where that is not there yet, it is made.
function isWritable({ root, own }: Layout): boolean {
  try {
    accessSync(root, constants.R_OK | constants.X_OK)
    const place = statSync(own, { throwIfNoEntry: false }) === undefined ? root : own
    accessSync(place, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

// `#1001` is what sudo takes where nobody has a name for it.
function nameUser(uid: number): string {
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
    const name = lines.map((line) => line.split(':')).find((fields) => fields[2] === String(uid))?.[0]
    if (name !== undefined && /^[\w.-]+$/.test(name)) return name
  } catch {
    // A machine may keep its users elsewhere.
  }
  return `'#${uid}'`
}
