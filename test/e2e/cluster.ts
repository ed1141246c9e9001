// What `tarn cluster` hands out, in the hands of those who get it: podman, containerd, dockerd and the library of k3s and RKE2 on
// hosts that have nothing but its files, a registry that was lost and rebuilt, and the schemas of OpenShift's own API.
import { checkDisaster } from './cluster/disaster.ts'
import { checkNodes } from './cluster/nodes.ts'
import { checkRancher } from './cluster/rancher.ts'
import { checkSchemas } from './cluster/schemas.ts'
import type { E2EContext, Recorder, Row } from './helpers/suite.ts'
import { makeRecorder } from './helpers/suite.ts'
import { apart } from './mirror/scene.ts'

export const name = 'cluster'

export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  const parts: Readonly<Record<string, (context: E2EContext, recorder: Recorder) => Promise<void>>> = {
    nodes: checkNodes,
    rancher: checkRancher,
    disaster: checkDisaster,
    schemas: checkSchemas,
  }
  const only = process.env['TARN_E2E_CLUSTER_ONLY']?.split(',')
  for (const [part, check] of Object.entries(parts)) {
    if (only === undefined || only.includes(part)) await apart(context, (own) => check(own, recorder))
  }
  return recorder.rows
}
