import { rmSync } from 'node:fs'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { createLayout } from '../../src/storage/layout.ts'
import { makeLogin } from '../helpers/login.ts'
import { plantFile } from '../helpers/plant.ts'
import { startTarn } from '../helpers/server.ts'

const RELEASE = digestOf(Buffer.from('release'))
const BASE = '/signatures/openshift/release'
const PATH = `${BASE}/sha256=${RELEASE.slice(7)}`

t.test('a cluster fetches signatures without a login, as they lie in the directory now', async (t) => {
  const { url, data } = await startTarn(t, { auth: makeLogin(t.testdir()) })
  const layout = createLayout(data)
  const ask = async (path: string, init: RequestInit = {}) => fetch(`${url}${path}`, init)
  t.equal((await ask(`${PATH}/signature-1`)).status, 404)
  plantFile(layout.signature(RELEASE, 1), 'bytes of one')
  const answer = await ask(`${PATH}/signature-1`)
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('content-type'), 'application/octet-stream')
  t.equal(answer.headers.get('content-length'), '12')
  t.equal(await answer.text(), 'bytes of one')
  t.equal((await ask(`${PATH}/signature-2`)).status, 404, 'where the list ends')

  const etag = answer.headers.get('etag') ?? ''
  const again = await ask(`${PATH}/signature-1`, { headers: { 'if-none-match': etag } })
  t.equal(again.status, 304)
  t.equal(await again.text(), '')

  const head = await ask(`${PATH}/signature-1`, { method: 'HEAD' })
  t.equal(head.status, 200)
  t.equal(head.headers.get('content-length'), '12')
  t.equal((await ask(`${PATH.replace('=', '%3D')}/signature-1`)).status, 200, 'escaped as some clients do')

  rmSync(layout.signature(RELEASE, 1))
  t.equal((await ask(`${PATH}/signature-1`)).status, 404)
})

t.test('everything else is 404, which readers take for the end of the list', async (t) => {
  const { url, data } = await startTarn(t, { auth: makeLogin(t.testdir()) })
  plantFile(createLayout(data).signature(RELEASE, 1), 'x')
  const hex = RELEASE.slice(7)
  for (const path of [
    `${PATH}/signature-0`,
    `${PATH}/signature-01`,
    `${PATH}/signature-1x`,
    `${PATH}/signature-9999999999`,
    `${PATH}/..%2f..%2fpins`,
    PATH,
    `${PATH}/`,
    `${BASE}/sha256=${hex}=/signature-1`,
    `${BASE}/sha256:${hex}/signature-1`,
    `${BASE}/sha256=${hex.slice(1)}/signature-1`,
    `${BASE}/sha256=${hex.toUpperCase()}/signature-1`,
    `${BASE}/%2e%2e=%2e%2e/signature-1`,
    '/signatures/',
  ]) {
    t.equal((await fetch(`${url}${path}`)).status, 404, path)
  }
  t.equal((await fetch(`${url}${PATH}/signature-1`, { method: 'PUT', body: 'x' })).status, 404, 'nothing is put there')
})

t.test('it lies below the configured prefix', async (t) => {
  const { url, data } = await startTarn(t, { http: { prefix: '/registry/' } })
  plantFile(createLayout(data).signature(RELEASE, 1), 'x')
  t.equal((await fetch(`${url}/registry${PATH}/signature-1`)).status, 200)
  t.equal((await fetch(`${url}${PATH}/signature-1`)).status, 404)
})
