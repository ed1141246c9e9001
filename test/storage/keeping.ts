import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { resolve } from 'node:path'
import pino from 'pino'
import t from 'tap'
import { createLayout } from '../../src/storage/layout.ts'
import type { Layout } from '../../src/storage/layout.ts'
import { readKeeper, takeKeeperLock } from '../../src/storage/keeper.ts'
import { Keeping } from '../../src/storage/keeping.ts'

const logger = pino({ level: 'silent' })

function makeKeeping(layout: Layout, mayWrite = true): Keeping {
  const keeping = new Keeping({ layout, clock: Date.now, logger, mayWrite, onKeep: () => () => undefined })
  t.teardown(() => keeping.stop())
  return keeping
}

/** Puts another file in the place of the lock, as a tar does that unpacks over it. */
function replaceLock(layout: Layout): void {
  const lock = layout.lock(statSync(layout.root).ino)
  copyFileSync(lock, `${lock}.tar`)
  renameSync(`${lock}.tar`, lock)
}

t.test('the first takes the lock and says who it is, the second is refused', async (t) => {
  const layout = createLayout(t.testdir({}))
  const first = takeKeeperLock(layout, Date.now)
  t.ok('release' in first)
  t.match(takeKeeperLock(layout, Date.now), { refused: /locked/ })
  t.equal(readKeeper(layout)?.pid, process.pid)
  if ('release' in first) first.release()
  t.notOk(existsSync(layout.keeper))
  const third = takeKeeperLock(layout, Date.now)
  t.ok('release' in third)
  if ('release' in third) third.release()
})

t.test('the lock is had on a disk on which nothing can be written: it needs no journal', async (t) => {
  const layout = createLayout(t.testdir({}))
  const taken = takeKeeperLock(layout, Date.now)
  t.ok('release' in taken)
  const lock = layout.lock(statSync(layout.root).ino)
  t.notOk(existsSync(`${lock}-journal`))
  t.equal(statSync(lock).size, 0)
  if ('release' in taken) taken.release()
})

t.test('the lock of a process that was killed is free', async (t) => {
  const layout = createLayout(t.testdir({}))
  const keeper = resolve(import.meta.dirname, '../../src/storage/keeper.ts')
  const code = `
    const { takeKeeperLock } = await import(${JSON.stringify(keeper)})
    const { createLayout } = await import(${JSON.stringify(keeper.replace('keeper.ts', 'layout.ts'))})
    const taken = takeKeeperLock(createLayout(${JSON.stringify(layout.root)}), Date.now)
    console.log('release' in taken)
    setInterval(() => taken, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  t.equal(line.toString(), 'true\n')
  t.match(takeKeeperLock(layout, Date.now), { refused: /locked/ })
  child.kill('SIGKILL')
  await once(child, 'exit')
  const taken = takeKeeperLock(layout, Date.now)
  t.ok('release' in taken)
  if ('release' in taken) taken.release()
})

t.test('a second one reads until the first ends, then keeps', async (t) => {
  const layout = createLayout(t.testdir({}))
  const [first, second] = [makeKeeping(layout), makeKeeping(layout)]
  first.start()
  second.start()
  t.same([first.keeps, second.keeps], [true, false])
  first.stop()
  while (!second.keeps) await new Promise((resolve) => setImmediate(resolve))
  t.pass('it took over by itself')
})

t.test('who may not write tries no lock', async (t) => {
  const layout = createLayout(t.testdir({}))
  const keeping = makeKeeping(layout, false)
  keeping.start()
  t.equal(keeping.keeps, false)
  t.notOk(existsSync(layout.own))
})

t.test('a lock file that a tar of another directory brings is not ours', async (t) => {
  const layout = createLayout(t.testdir({}))
  const first = makeKeeping(layout)
  first.start()
  mkdirSync(layout.own, { recursive: true })
  copyFileSync(layout.lock(statSync(layout.root).ino), layout.lock(1))
  const second = makeKeeping(layout)
  second.start()
  t.same([first.keeps, second.keeps], [true, false])
})

t.test('the keeper takes its lock again when the file was replaced', async (t) => {
  const layout = createLayout(t.testdir({}))
  const first = makeKeeping(layout)
  first.start()
  replaceLock(layout)
  t.equal(first.keeps, true)
  const second = makeKeeping(layout)
  second.start()
  t.same([first.keeps, second.keeps], [true, false])
})

t.test('the keeper steps back when another holds the file that replaced its lock', async (t) => {
  const layout = createLayout(t.testdir({}))
  const first = makeKeeping(layout)
  first.start()
  replaceLock(layout)
  const second = makeKeeping(layout)
  second.start()
  t.same([first.keeps, second.keeps], [false, true])
})

t.test('what keeper.json says when it is torn is nothing', async (t) => {
  const layout = createLayout(t.testdir({ '.tarn': { 'keeper.json': '{"pid":' } }))
  t.equal(readFileSync(layout.keeper, 'utf8').length, 7)
  t.equal(readKeeper(layout), undefined)
})

t.test('a lock file that this process may not write is an error, and no lock', async (t) => {
  const layout = createLayout(t.testdir({ '.tarn': {} }))
  const lock = layout.lock(statSync(layout.root).ino)
  writeFileSync(lock, '')
  chmodSync(lock, 0o444)
  const root = process.getuid?.() === 0
  // Root may write everything: there another user has to try.
  if (root) for (const path of [layout.root, layout.own]) chmodSync(path, 0o777)
  const keeper = resolve(import.meta.dirname, '../../src/storage/keeper.ts')
  const code = `
    const { takeKeeperLock } = await import(${JSON.stringify(keeper)})
    const { createLayout } = await import(${JSON.stringify(keeper.replace('keeper.ts', 'layout.ts'))})
    if (${root}) process.setuid(65534)
    try { takeKeeperLock(createLayout(${JSON.stringify(layout.root)}), Date.now); console.log('taken') }
    catch (error) { console.log(error.code) }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  t.equal(line.toString(), 'EACCES\n')
})

t.test('a second try in the same process does not free the lock of the first', async (t) => {
  const layout = createLayout(t.testdir({}))
  const [first, second] = [makeKeeping(layout), makeKeeping(layout)]
  first.start()
  second.start()
  t.same([first.keeps, second.keeps], [true, false])
  second.stop()
  const keeper = resolve(import.meta.dirname, '../../src/storage/keeper.ts')
  const code = `
    const { takeKeeperLock } = await import(${JSON.stringify(keeper)})
    const { createLayout } = await import(${JSON.stringify(keeper.replace('keeper.ts', 'layout.ts'))})
    console.log('release' in takeKeeperLock(createLayout(${JSON.stringify(layout.root)}), Date.now))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  t.equal(line.toString(), 'false\n')
})

t.test('work that cannot begin leaves the lock free, and is tried again', async (t) => {
  const layout = createLayout(t.testdir({}))
  let broken = true
  const keeping = new Keeping({
    layout,
    clock: Date.now,
    logger,
    mayWrite: true,
    onKeep() {
      if (broken) throw new Error('no descriptors')
      return () => undefined
    },
  })
  t.teardown(() => keeping.stop())
  t.throws(() => keeping.start(), { message: 'no descriptors' })
  t.equal(keeping.keeps, false)
  broken = false
  keeping.start()
  t.equal(keeping.keeps, true)
})
