import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { askCluster } from '../../../src/cli/cluster/ask-cluster.ts'
import { readClusterMirrorSets } from '../../../src/openshift/cluster/live-cluster.ts'

t.test(
  'only what the server says is absent is absent, and only a kind that it does not know is left out',
  async (t) => {
    const directory = t.testdir({})
    const program = join(directory, 'oc')
    const before = process.env['PATH']
    process.env['PATH'] = `${directory}:${before}`
    t.teardown(() => {
      process.env['PATH'] = before
    })
    const complain = (text: string): void => {
      writeFileSync(program, `#!/bin/sh\ncat >&2 <<'END'\n${text}\nEND\nexit 1\n`)
      chmodSync(program, 0o755)
    }
    complain('Error from server (NotFound): configmaps "registry-cas" not found')
    t.equal(await askCluster()(['get', 'configmap/registry-cas']), undefined)
    complain('Unable to connect to the server: getting credentials: exec: executable aws not found')
    await t.rejects(askCluster()(['get', 'configmap/registry-cas']), { name: 'Problem', message: /aws not found/ })
    await t.rejects(readClusterMirrorSets(askCluster()), { name: 'Problem' })
    complain('error: the server doesn\'t have a resource type "imagetagmirrorset"')
    t.same(await readClusterMirrorSets(askCluster()), [])
  },
)
