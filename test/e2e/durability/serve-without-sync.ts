// A seeded bug: Tarn with some of its fsyncs left out, to prove that the crash tests see each one missing.
// Usage: node serve-without-sync.ts CONFIG HOST:PORT SITE[,SITE…]. Never part of the product.
import { buildRegistry } from '../../../src/app.ts'
import { loadConfig } from '../../../src/config/load.ts'
import type { Sync } from '../../../src/storage/sync.ts'
import { SYNC_SITES, realSync } from '../../../src/storage/sync.ts'

const [configFile = '', listen = '127.0.0.1:0', sites = ''] = process.argv.slice(2)
const leftOut = new Set(sites.split(',').filter((site) => site !== ''))
const unknown = [...leftOut].filter((site) => !(SYNC_SITES as readonly string[]).includes(site))
if (unknown.length > 0) throw new Error(`no such site of an fsync: ${unknown.join(', ')}`)

const sync: Sync = {
  file: async (site, handle) => {
    if (!leftOut.has(site)) await realSync.file(site, handle)
  },
  directory: async (site, path) => {
    if (!leftOut.has(site)) await realSync.directory(site, path)
  },
}

const { config } = loadConfig({ path: configFile, env: {} })
const registry = await buildRegistry(config, { sync })
const [host = '', port = '0'] = listen.split(':')
process.stdout.write(`listening on ${await registry.listen({ host, port: Number(port) })}\n`)
