// Tens of thousands of requests at random: whatever comes, no 5xx, no silence, no file where none belongs, and
// the server goes on. TARN_FUZZ sets how many (20,000 unless given).
import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { openClient } from '../helpers/client.ts'
import { findFault, listTree } from '../helpers/hostile.ts'
import { pushBlob, pushImage } from '../helpers/push.ts'
import type { RawAnswer } from '../helpers/raw-socket.ts'
import { exchange, valuesOf, writeRequest } from '../helpers/raw-socket.ts'
import type { WrittenRequest } from '../helpers/request-grammar.ts'
import { anyMutant, anyRequest } from '../helpers/request-grammar.ts'
import { startTarn } from '../helpers/server.ts'

const TOTAL = Number(process.env['TARN_FUZZ'] ?? 20_000)
const BATCH = 50

function judge(answer: RawAnswer, { method, bytes }: WrittenRequest): void {
  const fault = answer.status >= 500 ? `status ${answer.status}` : findFault(answer, method, [answer.status])
  if (fault !== undefined) throw new Error(`${fault}\nafter ${JSON.stringify(bytes.toString('latin1'))}`)
}

/** Sends all over one connection without waiting; begins another where the server said that it closes. */
async function sendPipelined(port: number, requests: readonly WrittenRequest[]): Promise<void> {
  let left = requests
  while (left.length > 0) {
    const { answers, closed } = await exchange(port, Buffer.concat(left.map(({ bytes }) => bytes)), {
      methods: left.map(({ method }) => method),
      answers: left.length,
    })
    for (const [at, answer] of answers.entries()) judge(answer, left[at] ?? { method: '', bytes: Buffer.alloc(0) })
    const last = answers.at(-1)
    const announced = last !== undefined && valuesOf(last, 'connection').includes('close')
    if (closed && !announced && answers.length < left.length) {
      // What was cut off without a word must at least be answered when it comes alone.
      const [next] = left.slice(answers.length)
      if (next === undefined) return
      const alone = await exchange(port, next.bytes, { methods: [next.method], answers: 1 })
      const [answer] = alone.answers
      if (answer === undefined)
        throw new Error(`closed without an answer: ${JSON.stringify(next.bytes.toString('latin1'))}`)
      judge(answer, next)
      left = left.slice(answers.length + 1)
    } else {
      left = left.slice(answers.length)
    }
  }
}

async function sendMutant(port: number, request: WrittenRequest): Promise<void> {
  const { answers } = await exchange(port, request.bytes, {
    methods: [request.method],
    patience: 60,
    answers: 1,
  })
  for (const answer of answers) judge(answer, request)
}

const PLACES = [
  /^data\/$/,
  /^data\/docker\/(registry\/(v2\/((blobs|repositories)\/)?)?)?$/,
  /^data\/docker\/registry\/v2\/blobs\/sha(256|512)\/([0-9a-f]{2}\/([0-9a-f]{64,128}\/)?)?$/,
  /^data\/docker\/registry\/v2\/blobs\/sha(256|512)\/[0-9a-f]{2}\/[0-9a-f]{64,128}\/data \d+$/,
  /^data\/docker\/registry\/v2\/repositories\/([a-z0-9]+([._-]+[a-z0-9]+)*\/)+((_layers|_manifests|_uploads)\/.*)?$/,
  /^data\/\.tarn\//,
]

t.test('random requests', async (t) => {
  const tarn = await startTarn(t, { storage: { delete: { enabled: true } } })
  const client = openClient(tarn)
  await pushImage(client, 'a', 'fuzz', { reference: 'v1' })
  await pushBlob(client, 'a/b', Buffer.from('fuzz'))
  client.close()
  const openFiles = (): number => readdirSync('/proc/self/fd').length
  const before = openFiles()

  const run = async (
    what: string,
    arbitrary: fc.Arbitrary<WrittenRequest>,
    total: number,
    send: (batch: WrittenRequest[]) => Promise<void>,
  ) => {
    const batches = fc.array(arbitrary, { minLength: BATCH, maxLength: BATCH })
    const details = await fc.check(fc.asyncProperty(batches, send), {
      numRuns: Math.max(1, Math.round(total / BATCH)),
      endOnFailure: true,
    })
    t.notOk(details.failed, `${details.numRuns * BATCH} ${what} (seed ${details.seed})`)
    if (details.failed) t.comment(((details.errorInstance as Error | null)?.message ?? '').slice(0, 3000))
  }
  await run('requests by the grammar, pipelined', anyRequest, TOTAL * 0.8, (batch) => sendPipelined(tarn.port, batch))
  await run('requests with bytes changed', anyMutant, TOTAL * 0.2, async (batch) => {
    await Promise.all(batch.map((request) => sendMutant(tarn.port, request)))
  })

  const { answers } = await exchange(tarn.port, writeRequest('GET', '/v2/'))
  t.equal(answers[0]?.status, 200, 'the server goes on')
  t.same(
    listTree(tarn.directory).filter((line) => !PLACES.some((place) => place.test(line))),
    [],
    'nothing lies where nothing belongs',
  )
  t.ok(openFiles() <= before + 20, `open files: ${before} before, ${openFiles()} after`)
})
