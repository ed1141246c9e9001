// Asks a cluster by the program that its administrator uses: oc, else kubectl, as they are found and logged in. Nothing is
// changed there. What they print may be secret: it gets into no message.
import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { Problem } from '../../config/problem.ts'
import type { AskCluster } from '../../openshift/cluster/live-cluster.ts'
import { printable } from '../printable.ts'

const PROGRAMS = ['oc', 'kubectl'] as const
const WITHIN_MS = 60_000
const MOST_BYTES = 64 * 1024 * 1024
const LONGEST_COMPLAINT = 300

/** The name of the program; undefined where neither is on the path. */
export function findProgram(path: string = process.env['PATH'] ?? ''): string | undefined {
  return PROGRAMS.find((name) =>
    path.split(delimiter).some((directory) => directory !== '' && isProgram(join(directory, name))),
  )
}

/** Runs `oc get …` and gives what it prints. Throws a Problem where there is no program. */
export function askCluster(): AskCluster {
  const program = findProgram()
  if (program === undefined) {
    throw new Problem('there is neither oc nor kubectl here to ask the cluster', {
      hint: 'print the object where there is one (oc get … -o json > FILE) and give the file',
    })
  }
  return (args) =>
    new Promise((resolve, reject) => {
      execFile(program, [...args], { timeout: WITHIN_MS, maxBuffer: MOST_BYTES }, (error, stdout, stderr) => {
        if (error === null) {
          resolve(stdout)
          return
        }
        const complaint = printable(stderr.trim().slice(0, LONGEST_COMPLAINT))
        // Of the server only: a plugin for logins that is "not found" says nothing of the object.
        if (/^Error from server \(NotFound\)/m.test(stderr)) {
          resolve(undefined)
          return
        }
        reject(
          new Problem(`${program} ${args.join(' ')} failed${complaint === '' ? '' : `: ${complaint}`}`, {
            hint: `log in first (${program} ${program === 'oc' ? 'login' : 'config current-context'}), or give files instead`,
          }),
        )
      })
    })
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
