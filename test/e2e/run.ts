// `node test/e2e/run.ts [suite…]`: installs what is missing, runs the suites one after the other, prints
// progress on stderr, the client matrix and `N passed, N failed, N skipped` on stdout. Exit 1 on a failure.
// `--registry docker-registry` runs the same suites against the real registry:2, to try the suites themselves.

import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { drawMatrix } from './clients-matrix.ts'
import { makeDockerRegistryProgram } from './helpers/docker-registry.ts'
import { makeMachine, type Machine } from './helpers/machine.ts'
import { describeError, describeRow, type E2EContext, type Row, type Suite } from './helpers/suite.ts'
import { makeTarnProgram, startRegistry } from './helpers/tarn.ts'
import { installPackages, provideGoTool } from './install.ts'

/** The order; a suite whose file is missing fails. Suites not named here run after these, by name. */
const ORDER = [
  'clients',
  'listing',
  'journey',
  'exchange',
  'exchange-formats',
  'image',
  'durability',
  'tar',
  'room',
  'collect',
  'mirror',
  'apply',
  'sync',
  'signatures',
  'cluster',
  'release',
  'bundle',
  'conformance',
]
const NOT_SUITES = new Set(['run', 'install'])

const folder = import.meta.dirname
const checkout = dirname(dirname(folder))
const progress = (line: string): void => void process.stderr.write(`${line}\n`)

process.exitCode = await main()

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { registry: { type: 'string' } },
  })
  const known = await listSuites()
  const strangers = positionals.filter((each) => !known.includes(each))
  if (strangers.length > 0) {
    progress(`error: no suite is called ${strangers.join(', ')}\nhint: there are ${known.join(', ')}`)
    return 2
  }
  const rows: Row[] = []
  const base = makeMachine()
  const open = new Set([base])
  endOnSignal(rows, open)
  const wanted = positionals.length > 0 ? known.filter((each) => positionals.includes(each)) : known
  const program =
    values.registry === undefined
      ? makeTarnProgram(checkout, process.execPath)
      : makeDockerRegistryProgram(values.registry)
  const goTools = new Map<string, Promise<string | undefined>>()
  const goTool = (command: string): Promise<string | undefined> => {
    const tool = goTools.get(command) ?? provideGoTool(base, command, progress)
    goTools.set(command, tool)
    return tool
  }
  try {
    await installPackages(base, progress)
    for (const each of wanted) {
      progress(`== ${each}`)
      const machine = makeMachine()
      open.add(machine)
      const startTarn: E2EContext['startTarn'] = (options) => startRegistry(machine, program, options)
      const context: E2EContext = {
        checkout,
        node: process.execPath,
        machine,
        startTarn,
        goTool,
        progress,
      }
      rows.push(...(await runSuite(each, context)))
      open.delete(machine)
    }
  } catch (error) {
    rows.push(failRow('install', 'what the suites need is there', error, 0))
  }
  await base.end()
  return report(rows)
}

/** The known order first, then other files that are named like suites (`-` marks a suite's own parts). */
async function listSuites(): Promise<string[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.ts') && !file.includes('-'))
  const names = files.map((file) => file.slice(0, -'.ts'.length)).toSorted()
  return [...ORDER, ...names.filter((each) => !ORDER.includes(each) && !NOT_SUITES.has(each))]
}

async function runSuite(suite: string, context: E2EContext): Promise<Row[]> {
  const start = performance.now()
  const rows: Row[] = []
  const elapsed = (): number => Math.round(performance.now() - start)
  try {
    const loaded: Suite = await import(join(folder, `${suite}.ts`))
    rows.push(...(await loaded.run(context)))
    if (rows.length === 0) rows.push(failRow(suite, 'has rows', 'the suite checked nothing', elapsed()))
  } catch (error) {
    rows.push(failRow(suite, 'runs to its end', error, elapsed()))
  }
  await context.machine.end().catch((error: unknown) => {
    rows.push(failRow(suite, 'leaves nothing behind', error, elapsed()))
  })
  return rows
}

function failRow(suite: string, name: string, error: unknown, ms: number): Row {
  const row: Row = { suite, name, result: 'failed', reason: describeError(error), ms }
  progress(describeRow(row))
  return row
}

/** Prints the matrix, what failed or was skipped, and the last line; gives the exit code. */
function report(rows: readonly Row[]): number {
  const clients = rows.filter((row) => row.suite === 'clients')
  if (clients.length > 0) console.log(`${drawMatrix(clients)}\n`)
  for (const row of rows) if (row.result !== 'passed') console.log(describeRow(row))
  const count = (result: Row['result']): number => rows.filter((row) => row.result === result).length
  console.log(`${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`)
  return count('failed') > 0 || rows.length === 0 ? 1 : 0
}

/** A signal ends what runs, says what is known so far, and fails. */
function endOnSignal(rows: Row[], open: ReadonlySet<Machine>): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      rows.push(failRow('run', 'runs to its end', `ended by ${signal}`, 0))
      const ending = [...open].toReversed().map((machine) => machine.end())
      void Promise.allSettled(ending).then(() => process.exit(report(rows)))
    })
  }
}
