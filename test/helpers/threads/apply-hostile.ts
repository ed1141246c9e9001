// A process of its own that reads the archives it is given, one after the other, and says how much memory that took at most.
import { createReadStream, readFileSync } from 'node:fs'
import { applyBundle } from '../../../src/bundle/apply-bundle.ts'
import { importData } from '../../../src/bundle/import-data.ts'
import { makeContext, makeStore } from '../store.ts'

const [directory = '', ...files] = process.argv.slice(2)
const context = makeContext(makeStore(directory))
const policy = { signers: undefined, required: false, now: 0 }
const readStatus = (field: string): number =>
  1024 * Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
// The program itself takes half of the limit, and V8 more or less of that from run to run.
const before = readStatus('VmRSS')
let slowest = 0
const refused = { import: [] as string[], apply: [] as string[] }
const acts = {
  import: (source: AsyncIterable<Uint8Array>) => importData(context, source, { dryRun: false }),
  apply: (source: AsyncIterable<Uint8Array>) => applyBundle(context, source, { dryRun: false, policy }),
}
for (const file of files) {
  for (const act of ['import', 'apply'] as const) {
    const begun = performance.now()
    await acts[act](createReadStream(file)).catch(() => refused[act].push(file))
    slowest = Math.max(slowest, performance.now() - begun)
  }
}
// What the system counts for a process otherwise begins with what its parent had.
const bytes = readStatus('VmHWM') - before
process.stdout.write(JSON.stringify({ refused, slowest, bytes }))
