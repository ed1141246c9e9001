// A process of its own that reads the archives it is given, one after the other, and says how much memory it ever had.
import { createReadStream, readFileSync } from 'node:fs'
import { applyBundle } from '../../../src/bundle/apply-bundle.ts'
import { importData } from '../../../src/bundle/import-data.ts'
import { makeContext, makeStore } from '../store.ts'

const [directory = '', ...files] = process.argv.slice(2)
const context = makeContext(makeStore(directory))
const policy = { signers: undefined, required: false, now: 0 }
let slowest = 0
let refused = 0
for (const file of files) {
  for (const act of [
    (source: AsyncIterable<Uint8Array>) => importData(context, source, { dryRun: false }),
    (source: AsyncIterable<Uint8Array>) => applyBundle(context, source, { dryRun: false, policy }),
  ]) {
    const begun = performance.now()
    await act(createReadStream(file)).catch(() => (refused += 1))
    slowest = Math.max(slowest, performance.now() - begun)
  }
}
// Of this program alone: what the system counts for a process begins with what its parent had.
const kilobytes = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
process.stdout.write(JSON.stringify({ refused, slowest, bytes: kilobytes * 1024 }))
