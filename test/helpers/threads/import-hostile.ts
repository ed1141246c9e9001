// A process of its own that imports the places it is given, one after the other, and says how much memory that took at most.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openRegistry } from '../images.ts'
import { takePlace } from '../take-place.ts'

const [directory = '', ...places] = process.argv.slice(2)
const readStatus = (field: string): number =>
  1024 * Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
// The program itself takes half of the limit, and V8 more or less of that from run to run.
const before = readStatus('VmRSS')
let [slowest, refused] = [0, 0]
for (const [at, place] of places.entries()) {
  // What is right in one archive may be what another lacks.
  const data = join(directory, String(at))
  mkdirSync(data)
  const context = openRegistry(data)
  const begun = performance.now()
  const states = await takePlace(context, place).catch(() => ['failed'])
  if (states.every((state) => state === 'failed')) refused += 1
  slowest = Math.max(slowest, performance.now() - begun)
}
const bytes = readStatus('VmHWM') - before
process.stdout.write(JSON.stringify({ refused, slowest, bytes }))
