// distribution's habits with uploads: what each step tells, and to whom an upload belongs.
import t from 'tap'
import { addQuery, codeOf, headerOf, locationOf, openClient } from '../helpers/client.ts'
import { hashOf } from '../helpers/digest.ts'
import { startTarn } from '../helpers/server.ts'

const { url } = await startTarn(t, { storage: { delete: { enabled: true } } })
const client = openClient({ url })
t.teardown(() => client.close())
const REPO = 'team/app'
const NOWHERE = hashOf('nowhere')
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

t.test('an upload tells its id, its range and its place at every step', async (t) => {
  const opened = await client.send('POST', `/v2/${REPO}/blobs/uploads/`)
  t.equal(opened.status, 202)
  t.match(headerOf(opened, 'docker-upload-uuid'), UUID)
  t.equal(headerOf(opened, 'content-length'), '0')
  t.match(headerOf(opened, 'range'), /^0-0$/)
  t.match(
    headerOf(opened, 'location'),
    /^\/v2\/team\/app\/blobs\/uploads\/[0-9a-f-]{36}(\?|$)/,
    'Location is path-absolute',
  )
  const sent = await client.send('PATCH', locationOf(opened), { body: 'hello' })
  t.equal(sent.status, 202)
  t.equal(headerOf(sent, 'range'), '0-4')
  t.equal(headerOf(sent, 'docker-upload-uuid'), headerOf(opened, 'docker-upload-uuid'))
  for (const method of ['GET', 'HEAD']) {
    const asked = await client.send(method, locationOf(sent))
    t.equal(asked.status, 204)
    t.equal(headerOf(asked, 'range'), '0-4')
    t.equal(headerOf(asked, 'docker-upload-uuid'), headerOf(opened, 'docker-upload-uuid'))
  }
  const wrong = await client.send('PUT', addQuery(locationOf(sent), { digest: NOWHERE }))
  t.equal(wrong.status, 400)
  t.equal(codeOf(wrong), 'DIGEST_INVALID')
  const none = await client.send('PUT', locationOf(sent))
  t.equal(none.status, 400)
  t.equal(codeOf(none), 'DIGEST_INVALID')
  const done = await client.send('PUT', addQuery(locationOf(sent), { digest: hashOf('hello') }))
  t.equal(done.status, 201, 'a wrong digest left the upload alive')
  t.equal(headerOf(done, 'location'), `/v2/${REPO}/blobs/${hashOf('hello')}`)
})

t.test('a cancelled upload is 204, then unknown', async (t) => {
  const location = locationOf(await client.send('POST', `/v2/${REPO}/blobs/uploads/`))
  t.equal((await client.send('DELETE', location)).status, 204)
  for (const method of ['GET', 'PATCH', 'DELETE']) {
    const answer = await client.send(method, location)
    t.equal(answer.status, 404, method)
    t.equal(codeOf(answer), 'BLOB_UPLOAD_UNKNOWN', method)
  }
})

t.test('an upload belongs to its repository', async (t) => {
  const location = locationOf(await client.send('POST', `/v2/${REPO}/blobs/uploads/`))
  const elsewhere = location.replace(REPO, 'team/other')
  for (const method of ['GET', 'PATCH', 'DELETE']) t.equal((await client.send(method, elsewhere)).status, 404, method)
  t.equal((await client.send('PUT', addQuery(elsewhere, { digest: hashOf('') }))).status, 404)
  t.equal((await client.send('GET', location)).status, 204, 'the upload itself lives on')
})
