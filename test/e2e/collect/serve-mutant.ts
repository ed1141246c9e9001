// A seeded bug: Tarn with one of the protections of collection left out, to prove that the soak sees it missing.
// Usage: node serve-mutant.ts CONFIG HOST:PORT MUTANT. Never part of the product.
import pino from 'pino'
import { buildRegistry } from '../../../src/app.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { readSocketPlaces } from '../../../src/http/socket-path.ts'
import type { LeaseTable } from '../../../src/storage/leases.ts'
import { Leases } from '../../../src/storage/leases.ts'
import { MUTANTS } from './mutant-names.ts'

const [configFile = '', listen = '127.0.0.1:0', mutant = ''] = process.argv.slice(2)
if (!Object.hasOwn(MUTANTS, mutant)) throw new Error(`no such mutant: ${mutant}`)

const { config } = loadConfig({ path: configFile, env: {} })
const whole = new Leases(config.gc.lease)
const leases: LeaseTable = {
  duration: whole.duration,
  lease: (digest) => (mutant === 'no lease' ? undefined : whole.lease(digest)),
  hold: (keys) => (mutant === 'no shared lock' ? () => undefined : whole.hold(keys)),
  beginCollection: () => whole.beginCollection(),
  endCollection: () => whole.endCollection(),
  isFree: (key) => mutant === 'no re-check' || whole.isFree(key),
  promised: () => whole.promised(),
}
const logger = pino({ level: 'warn' }, pino.destination({ dest: 2, sync: true }))
const localSocket = readSocketPlaces(process.env)
const registry = await buildRegistry(config, { leases, restores: mutant !== 'no restore', logger, localSocket })
const [host = '', port = '0'] = listen.split(':')
process.stdout.write(`listening on ${await registry.listen({ host, port: Number(port) })}\n`)
