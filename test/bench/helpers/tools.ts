// Brings the programs that a bench needs and the machine lacks, from Debian. wrk is wished, not needed:
// without it the generator of this folder sends the load.
import type { Machine } from '../../e2e/helpers/machine.ts'
import { findCommand, installPackages } from '../../e2e/install.ts'

const NEEDED = ['docker-registry', 'htpasswd', 'openssl', 'curl']

export interface Tools {
  /** Path of wrk, or undefined where it cannot be had. */
  readonly wrk: string | undefined
}

/** Finds or installs what is needed; throws with what to do when it cannot. */
export async function provideTools(machine: Machine, progress: (line: string) => void): Promise<Tools> {
  const paths = await Promise.all(NEEDED.map(findCommand))
  if (paths.includes(undefined)) await installPackages(machine, progress)
  return { wrk: (await findCommand('wrk')) ?? (await installWrk(machine, progress)) }
}

async function installWrk(machine: Machine, progress: (line: string) => void): Promise<string | undefined> {
  if (process.getuid?.() !== 0 || (await findCommand('apt-get')) === undefined) return undefined
  progress('apt-get install wrk')
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  try {
    await machine.run('apt-get', ['update', '-q'], { env, timeout: 600_000 })
    await machine.run('apt-get', ['install', '-q', '-y', '--no-install-recommends', 'wrk'], { env, timeout: 600_000 })
  } catch {
    progress('wrk could not be installed: the generator of the bench sends the load')
  }
  return findCommand('wrk')
}
