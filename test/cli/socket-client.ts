import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { callSocket } from '../../src/cli/socket-client.ts'
import { makeDirectory } from '../helpers/server.ts'

async function listen(t: Test, answer: RequestListener): Promise<string> {
  const path = join(makeDirectory(t), 'a.sock')
  const server = createServer(answer).listen(path)
  t.teardown(() => server.close())
  await once(server, 'listening')
  return path
}

const NDJSON = { 'content-type': 'application/x-ndjson' }

t.test('events are handed on as they come, and the report is the answer', async (t) => {
  const socketPath = await listen(t, (_request, response) => {
    response.writeHead(200, NDJSON)
    response.write('{"event":"progress","phase":"a","do')
    response.end('ne":1}\n{"event":"finding","kind":"blob","path":"p"}\n{"event":"report","report":{"x":1}}\n')
  })
  const events: unknown[] = []
  const report = await callSocket({ socketPath, name: 'POST /gc', options: {}, onEvent: (event) => events.push(event) })
  t.same(report, { x: 1 })
  t.same(events, [
    { phase: 'a', done: 1 },
    { kind: 'blob', path: 'p' },
  ])
})

t.test('a registry that ends before its report is told as that', async (t) => {
  const cut = await listen(t, (_request, response) => {
    response.writeHead(200, NDJSON)
    response.write('{"event":"progress","phase":"a","done":1}\n', () => response.destroy())
  })
  const ended = await listen(t, (_request, response) => {
    response.writeHead(200, NDJSON).end('{"event":"progress","phase":"a","done":1}\n')
  })
  const torn = await listen(t, (_request, response) => {
    response.writeHead(200, NDJSON).end('{"event":"rep')
  })
  for (const socketPath of [cut, ended, torn]) {
    await t.rejects(callSocket({ socketPath, name: 'POST /gc', options: {}, onEvent: () => undefined }), {
      message: 'the registry ended before its work did',
      hint: /again/,
    })
  }
})

t.test('what the registry refuses is told in its own words', async (t) => {
  const refusing = await listen(t, (request, response) => {
    const status = request.url === '/api/v1/gc' ? 400 : 405
    response.writeHead(status, { 'content-type': 'application/json' }).end('{"errors":[{"message":"not like this"}]}')
  })
  const failing = await listen(t, (_request, response) => {
    response.writeHead(200, NDJSON).end('{"event":"error","message":"the disk is gone","hint":"bring it back"}\n')
  })
  const call = (socketPath: string, name: string) =>
    callSocket({ socketPath, name, options: {}, onEvent: () => undefined })
  await t.rejects(call(refusing, 'POST /gc'), { message: 'not like this', exitCode: 2 })
  await t.rejects(call(refusing, 'POST /rm'), { message: 'not like this', exitCode: 1 })
  await t.rejects(call(failing, 'POST /gc'), { message: 'the disk is gone', hint: 'bring it back', exitCode: 1 })
})

t.test('one that says nothing is waited for only as long as was said', async (t) => {
  const socketPath = await listen(t, () => undefined)
  const onEvent = (): void => undefined
  await t.rejects(callSocket({ socketPath, name: 'GET /status', options: {}, onEvent, within: 50 }), {
    code: 'ETIMEDOUT',
  })
})
