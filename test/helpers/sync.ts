// A home that syncs from a gateway in front of another Tarn, by the command as a process of its own.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { SyncReport } from '../../src/mirror/sync/report.ts'
import type { Home } from './home.ts'
import { makeHome } from './home.ts'
import type { StartedUpstream } from './mirror.ts'
import { startUpstream } from './mirror.ts'
import { runTarn } from './tarn.ts'

export interface SyncScene extends StartedUpstream {
  readonly home: Home
  /** As image names have the upstream. */
  readonly host: string
  /** Writes `s.yml` with these entries; `HOST` in them is the upstream. */
  readonly write: (...entries: readonly string[]) => void
  /** Runs `tarn sync ARGS` with `--json` and gives what it printed. */
  readonly sync: (...args: readonly string[]) => Promise<{ code: number | null; report: SyncReport; stderr: string }>
}

/** Sets the scene; `config` are further lines of the home's configuration. */
export async function setSyncScene(t: Test, config = ''): Promise<SyncScene> {
  const upstream = await startUpstream(t)
  const home = makeHome(t, config)
  const { origin } = upstream.gateway
  const host = new URL(origin).host
  return {
    ...upstream,
    home,
    host,
    write(...entries) {
      const lines = [
        'version: 1',
        `registries: {"${host}": {insecure: true, url: ["${origin}"]}}`,
        'sync:',
        ...entries.map((entry) => `  - ${entry.replaceAll('HOST', host)}`),
      ]
      writeFileSync(join(home.directory, 's.yml'), `${lines.join('\n')}\n`)
    },
    async sync(...args) {
      const { code, stdout, stderr } = await runTarn(home.directory, ['--json', 'sync', ...args])
      return { code, stderr, report: (stdout === '' ? undefined : JSON.parse(stdout)) as SyncReport }
    },
  }
}
