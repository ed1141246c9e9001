// What the container says when its user may not write the volume or not read a file: one line with the uid, the
// path and the words that mend it. People meet it in `podman logs` and nowhere else.
import { join } from 'node:path'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Home, Image } from './container.ts'
import { createContainer, dataOf, handbookWords, makeHome, waitForLog } from './container.ts'

interface Complaint {
  readonly label: string
  /** What is taken from user 1001, who owns all the rest. */
  readonly spoil: (home: Home) => Promise<unknown>
  /** As the container sees it. */
  readonly path: string
}

export async function checkComplaints(context: E2EContext, recorder: Recorder, image: Image): Promise<void> {
  const { machine } = context
  const complaints: Complaint[] = [
    {
      label: 'data directory not writable',
      spoil: (home) => machine.run('chown', ['-R', '0:0', dataOf(home)]),
      path: '/var/lib/registry',
    },
    {
      label: 'key not readable',
      spoil: (home) => machine.run('chown', ['0:0', join(home.folder, 'certs/example.com.key')]),
      path: '/certs/example.com.key',
    },
    {
      label: 'htpasswd not readable',
      spoil: (home) => machine.run('chown', ['0:0', join(home.folder, 'auth/htpasswd')]),
      path: '/auth/htpasswd',
    },
  ]
  for (const { label, spoil, path } of complaints) {
    await recorder.check(`${label}: one error that names uid, path, chown and :U`, async () => {
      const home = await makeHome(context)
      await machine.run('chown', ['-R', '1001', home.folder])
      await spoil(home)
      const name = await createContainer(context, image, ['--user', '1001', ...handbookWords(home)], [])
      // It may go on and serve what it can read; the error must be there all the same.
      await waitForLog(context, image, name, /^(?:error|hint):.*:U/m)
      await image.podman(['stop', '-t', '10', name])
      const logs = await image.podman(['logs', name])
      const all = `${logs.text}\n${logs.stderr}`.trim()
      const errors = all.split('\n').filter((line) => line.startsWith('error:'))
      if (errors.length !== 1) throw new Error(`${errors.length} error lines: ${all}`)
      for (const wanted of ['1001', path, 'chown', ':U']) {
        if (!all.includes(wanted)) throw new Error(`nothing says "${wanted}": ${all}`)
      }
      if (/\bat .*\.ts:\d+/.test(all)) throw new Error(`a stack trace: ${all}`)
    })
  }
}
