import t from 'tap'
import { tryAgain } from '../../src/exchange/try-again.ts'
import { UpstreamError } from '../../src/upstream/upstream-error.ts'

function failing(times: number, error: Error) {
  let tries = 0
  return {
    act: async (): Promise<number> => {
      tries += 1
      if (tries <= times) throw error
      return tries
    },
    get tries() {
      return tries
    },
  }
}

t.test('what passes is tried four times, with pauses that grow and that the registry may ask for', async (t) => {
  const pauses: number[] = []
  const wait = async (pause: number): Promise<void> => void pauses.push(pause)
  t.equal(await tryAgain(failing(2, new UpstreamError('unreachable', 'away')).act, undefined, wait), 3)
  t.same(pauses, [500, 2000])
  const asked = new UpstreamError('limited', 'slowly', { retryAfter: 5000 })
  t.equal(await tryAgain(failing(1, asked).act, undefined, wait), 2)
  t.equal(pauses.at(-1), 5000)
  const always = failing(9, new UpstreamError('failed', 'ill'))
  await t.rejects(tryAgain(always.act, undefined, wait), { message: 'ill' })
  t.equal(always.tries, 4)
})

t.test('what does not pass is thrown at once', async (t) => {
  const patient = new UpstreamError('limited', 'tomorrow', { retryAfter: 86_400_000 })
  for (const error of [new UpstreamError('notFound', 'none'), new Error('disk'), patient]) {
    const act = failing(9, error)
    await t.rejects(
      tryAgain(act.act, undefined, async () => undefined),
      error,
    )
    t.equal(act.tries, 1)
  }
})

t.test('who is told to end does not try again', async (t) => {
  const stop = new AbortController()
  const act = failing(9, new UpstreamError('unreachable', 'away'))
  const trying = tryAgain(act.act, stop.signal, async () => stop.abort(new Error('enough')))
  await t.rejects(trying, { message: 'enough' })
  t.equal(act.tries, 2)
})
