// `npm run bench -- NAME [--rounds N] [--seconds N] [--write]`: measures Tarn against what people run today
// and prints a table and one line a requirement; exit 1 when one is not met. Never a part of `npm test`:
// figures belong to the machine they were taken on.
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeMachine } from '../e2e/helpers/machine.ts'
import { measureBundle } from './bundle.ts'
import { measureCollection } from './collect.ts'
import type { Bench } from './helpers/bench.ts'
import { describeMachine, drawTable, judge, replaceTable } from './helpers/table.ts'
import { measureMirror } from './mirror.ts'
import { measureRegistry } from './registry.ts'
import { measureSync } from './sync.ts'
import { measureManyImages } from './sync-many.ts'
import { measureRelease } from './release.ts'

const BENCHES: Readonly<Record<string, Bench>> = {
  registry: measureRegistry,
  collect: measureCollection,
  mirror: measureMirror,
  sync: measureSync,
  'sync-many': measureManyImages,
  release: measureRelease,
  bundle: measureBundle,
}
const checkout = join(import.meta.dirname, '..', '..')
const progress = (line: string): void => void process.stderr.write(`${line}\n`)

process.exitCode = await main()

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      write: { type: 'boolean', default: false },
    },
  })
  const [name = ''] = positionals
  const bench = BENCHES[name]
  const rounds = Number(values.rounds)
  const seconds = Number(values.seconds)
  if (bench === undefined || positionals.length !== 1 || !isCount(rounds, 99) || !isCount(seconds, 60)) {
    progress(
      `error: wrong usage: ${process.argv.slice(2).join(' ')}\nhint: npm run bench -- ${Object.keys(BENCHES).join('|')} [--rounds 1…99] [--seconds 1…60] [--write]`,
    )
    return 2
  }
  const machine = makeMachine()
  const endBySignal = (): void => {
    void machine.end().finally(() => process.exit(1))
  }
  process.once('SIGINT', endBySignal)
  process.once('SIGTERM', endBySignal)
  try {
    const about = describeMachine()
    const results = await bench({ checkout, machine, rounds, seconds, progress })
    const table = `${about}, ${rounds} rounds\n\n${drawTable(results.rows, results.peer)}`
    const verdicts = judge(results)
    console.log(`${table}\n\n${verdicts.map((each) => each.line).join('\n')}`)
    if (values.write) await replaceTable(join(checkout, 'docs', 'benchmarks.md'), name, table)
    return verdicts.every((each) => each.met) ? 0 : 1
  } finally {
    process.off('SIGINT', endBySignal)
    process.off('SIGTERM', endBySignal)
    await machine.end()
  }
}

function isCount(number: number, most: number): boolean {
  return Number.isInteger(number) && number >= 1 && number <= most
}
