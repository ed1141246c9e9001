import { randomBytes, X509Certificate } from 'node:crypto'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import type { Test } from 'tap'
import { makeAuthority, makeServerCertificate } from '../../src/tls/certificate.ts'
import { watchTls } from '../../src/tls/watch.ts'

const parts = { clock: Date.now, random: randomBytes }
const ca = makeAuthority({ name: 'Tarn CA test', ...parts })

function makePair() {
  const pair = makeServerCertificate({ ca, hosts: ['localhost'], ...parts })
  return { ...pair, fingerprint: new X509Certificate(pair.certificate).fingerprint256 }
}

/** A running server whose certificate is watched; the interval is so long that only `check` looks. */
async function start(t: Test, interval = 3_600_000) {
  const directory = t.testdir()
  const config = { certificate: join(directory, 'server.crt'), key: join(directory, 'server.key') }
  const first = makePair()
  writeFileSync(config.certificate, first.certificate)
  writeFileSync(config.key, first.key, { mode: 0o600 })
  const lines: string[] = []
  const note = (_fields: unknown, message?: string): void => void lines.push(message ?? String(_fields))
  const watch = watchTls({
    config,
    interval,
    clock: Date.now,
    logger: { info: note, warn: note, error: note } as never,
  })
  const server = createServer(watch.loaded.server, (_request, response) => response.end())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const applied = Promise.withResolvers<void>()
  watch.start((context) => {
    server.setSecureContext(context)
    applied.resolve()
  })
  t.teardown(() => {
    watch.close()
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const shown = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: ca.certificate }, () => {
        resolve(socket.getPeerCertificate().fingerprint256)
        socket.destroy()
      })
      socket.once('error', reject)
    })
  return { config, first, watch, shown, lines, applied: applied.promise }
}

t.test('a new pair is shown to the next client without a restart', async (t) => {
  const { config, first, watch, shown, lines } = await start(t)
  t.equal(await shown(), first.fingerprint)
  t.equal(watch.check(), false)
  const second = makePair()
  writeFileSync(config.key, second.key)
  writeFileSync(config.certificate, second.certificate)
  t.equal(watch.check(), true)
  t.equal(await shown(), second.fingerprint)
  t.equal(watch.check(), false)
  t.match(lines, [/new certificate is in use/])
})

t.test('the watch finds a change by itself', async (t) => {
  const { config, shown, applied } = await start(t, 5)
  const second = makePair()
  writeFileSync(`${config.key}.new`, second.key)
  writeFileSync(`${config.certificate}.new`, second.certificate)
  renameSync(`${config.key}.new`, config.key)
  renameSync(`${config.certificate}.new`, config.certificate)
  await applied
  t.equal(await shown(), second.fingerprint)
})

t.test('garbage, a wrong key and a missing file are named once and the old certificate stays', async (t) => {
  const { config, first, watch, shown, lines } = await start(t)
  const second = makePair()
  const breakings = [
    () => writeFileSync(config.certificate, 'garbage'),
    () => writeFileSync(config.certificate, second.certificate),
    () => rmSync(config.key),
  ]
  for (const [index, act] of breakings.entries()) {
    act()
    for (let i = 0; i < 4; i += 1) t.equal(watch.check(), false)
    t.equal(lines.length, index + 1)
    t.match(lines.at(-1), /the old certificate stays in use/)
    t.equal(await shown(), first.fingerprint)
  }
  writeFileSync(config.key, second.key, { mode: 0o600 })
  t.equal(watch.check(), true)
  t.equal(await shown(), second.fingerprint)
})
