// The official OCI conformance suite, built with Go: stable and dev with the default data, and dev with sparse
// manifests, each with and without login, over plain http and over TLS. A run counts only when the suite
// says Pass, ends with 0, wrote results.yaml, and counted as many checks as it has: it also ends with 0
// when it could not start.

import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openClient } from '../helpers/client.ts'
import { makeRecorder, type E2EContext, type Row } from './helpers/suite.ts'
import type { Tarn, TarnOptions } from './helpers/tarn.ts'

export const name = 'conformance'

interface Variant {
  name: string
  version: 'stable' | 'dev'
  config?: TarnOptions['config']
  env: Record<string, string>
  counts: { Total: number; Pass: number; Disabled: number; Skip: number; FAIL: number; Error: number }
}

const VARIANTS: readonly Variant[] = [
  {
    name: 'stable',
    version: 'stable',
    env: {},
    counts: { Total: 862, Pass: 860, Disabled: 2, Skip: 0, FAIL: 0, Error: 0 },
  },
  {
    name: 'dev',
    version: 'dev',
    env: {},
    counts: { Total: 986, Pass: 986, Disabled: 0, Skip: 0, FAIL: 0, Error: 0 },
  },
  {
    name: 'dev with sparse manifests',
    version: 'dev',
    // One of these is an image whose layer is never pushed. By default Tarn takes no such image (what is linked is
    // whole); distribution's own key lets an administrator have it otherwise.
    config: { validation: { disabled: true } },
    env: { OCI_DATA_SPARSE: 'true' },
    counts: { Total: 1032, Pass: 1032, Disabled: 0, Skip: 0, FAIL: 0, Error: 0 },
  },
]

/** Twelve runs, each against a Tarn with an empty data directory. */
export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  const binary = await context.goTool('conformance')
  if (binary === undefined) {
    recorder.skip('official suite', 'no Go 1.24 or newer here to build it')
    return recorder.rows
  }
  for (const variant of VARIANTS) {
    for (const tls of [false, true]) {
      for (const login of [false, true]) {
        const where = `${tls ? 'TLS' : 'plain http'}, ${login ? 'with' : 'without'} login`
        await recorder.check(`official suite ${variant.name}, ${where}`, async () => {
          const tarn = await context.startTarn({
            tls,
            login,
            ...(variant.config === undefined ? {} : { config: variant.config }),
          })
          try {
            await checkGate(tarn)
            await runVariant(context, binary, variant, tarn)
          } finally {
            await tarn.stop()
          }
        })
      }
    }
  }
  return recorder.rows
}

/** A run "with login" proves nothing when the registry lets everyone in. */
async function checkGate(tarn: Tarn): Promise<void> {
  const ca = tarn.ca === undefined ? {} : { ca: await readFile(tarn.ca, 'utf8') }
  const client = openClient({ url: tarn.url, ...ca })
  const { status } = await client.send('GET', '/v2/')
  client.close()
  const wanted = tarn.login === undefined ? 200 : 401
  if (status !== wanted) throw new Error(`GET /v2/ without credentials: wanted ${wanted}, got ${status}`)
}

async function runVariant(context: E2EContext, binary: string, variant: Variant, tarn: Tarn): Promise<void> {
  // Its own folder: the suite reads a configuration file from the working directory.
  const folder = await context.machine.scratch('conformance')
  const env = {
    OCI_REGISTRY: tarn.address,
    OCI_TLS: tarn.tls ? 'enabled' : 'disabled',
    OCI_VERSION: variant.version,
    OCI_RESULTS_DIR: folder,
    SSL_CERT_FILE: tarn.ca,
    OCI_USERNAME: tarn.login?.user,
    OCI_PASSWORD: tarn.login?.password,
    ...variant.env,
  }
  const outcome = await context.machine.run(binary, [], { cwd: folder, env, codes: [0, 1] })
  const counts = readCounts(outcome.text)
  const wrong = Object.entries(variant.counts).filter(([word, count]) => counts.get(word) !== count)
  const complaints = [
    ...(outcome.code === 0 ? [] : [`it ended with ${outcome.code}`]),
    ...(/^OCI Conformance Result: Pass$/m.test(outcome.text) ? [] : ['no "OCI Conformance Result: Pass"']),
    ...wrong.map(([word, count]) => `${word} ${counts.get(word) ?? 'not said'} instead of ${count}`),
    ...((await isWritten(join(folder, 'results.yaml'))) ? [] : ['no results.yaml']),
  ]
  if (complaints.length === 0) return
  const failed = outcome.stderr.split('\n').filter((line) => line.includes('failed test'))
  throw new Error([complaints.join(', '), ...failed.slice(0, 10), ...failed.slice(10, 11).map(() => '…')].join('\n'))
}

/** The lines `Pass....: 860` of the suite's summary. */
function readCounts(text: string): Map<string, number> {
  const summary = text.slice(text.lastIndexOf('OCI Conformance Result:'))
  return new Map(
    [...summary.matchAll(/^ {2}(\w+)\.+: +(\d+)$/gm)].map(([, word, count]) => [word ?? '', Number(count)]),
  )
}

function isWritten(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.size > 0,
    () => false,
  )
}
