import t from 'tap'
import { PATIENCE_MS, retryPassing } from '../../src/mirror/retry.ts'
import { UpstreamError } from '../../src/upstream/upstream-error.ts'

const away = (retryAfter?: number) =>
  new UpstreamError('unreachable', 'away', retryAfter === undefined ? {} : { retryAfter })

t.test('what passes is tried again until it ends well', async (t) => {
  const ending = new AbortController()
  const pauses: number[] = []
  let tries = 0
  const act = async (): Promise<void> => {
    tries += 1
    if (tries < 2) throw away()
  }
  const onRetry = (_: unknown, pause: number): void => void pauses.push(pause)
  const wait = async (): Promise<void> => undefined
  await retryPassing(act, { signal: ending.signal, elapsed: () => 0, onRetry, wait })
  t.equal(tries, 2)
  t.same(pauses, [1000])
})

t.test('what does not pass is not tried again', async (t) => {
  const options = { signal: new AbortController().signal, elapsed: () => 0, onRetry: () => t.fail('tried again') }
  for (const kind of ['notFound', 'unauthorized', 'refused', 'invalid'] as const) {
    const error = new UpstreamError(kind, kind)
    await t.rejects(
      retryPassing(() => Promise.reject(error), options),
      error,
    )
  }
})

t.test('after a day, or when asked to wait for longer than one, it is given up', async (t) => {
  const options = { signal: new AbortController().signal, onRetry: () => undefined }
  let now = 0
  const late = async (): Promise<void> => {
    now += PATIENCE_MS
    throw away()
  }
  await t.rejects(retryPassing(late, { ...options, elapsed: () => now }), { message: 'away' })
  const asked = async (): Promise<void> => {
    throw away(PATIENCE_MS + 1)
  }
  await t.rejects(retryPassing(asked, { ...options, elapsed: () => 0 }), { message: 'away' })
})

t.test('the end of the process ends the waiting', async (t) => {
  const ending = new AbortController()
  const run = retryPassing(() => Promise.reject(away()), {
    signal: ending.signal,
    elapsed: () => 0,
    onRetry: () => ending.abort(new Error('closing')),
  })
  await t.rejects(run)
})
