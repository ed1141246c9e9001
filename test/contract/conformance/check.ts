// One check of the conformance port: a named assertion that lists all that was wrong. A check must never
// pass because its request failed: what is thrown inside counts as a problem.
import type { Test } from 'tap'
import type { Answer, Client } from '../../helpers/client.ts'
import { codeOf, headerOf } from '../../helpers/client.ts'

export interface Context {
  readonly t: Test
  readonly client: Client
  readonly repo1: string
  readonly repo2: string
  /** Whether the rules after distribution-spec 1.1.1 are demanded too. */
  readonly dev: boolean
}

/** Collects what was wrong with the answers of one check. */
export interface Judge {
  that(holds: boolean, problem: string): void
  status(answer: Answer, ...allowed: number[]): void
  /** The header must be exactly `value`. */
  header(answer: Answer, name: string, value: string): void
  /** The header must be there with any value but the empty one. */
  present(answer: Answer, name: string): void
  body(answer: Answer, bytes: Buffer): void
  code(answer: Answer, ...allowed: string[]): void
}

/** Runs `act` and asserts, under `name`, that it found nothing wrong and threw nothing. */
export async function check(t: Test, name: string, act: (judge: Judge) => Promise<void>): Promise<void> {
  const problems: string[] = []
  try {
    await act(makeJudge(problems))
  } catch (error) {
    problems.push(`threw: ${error instanceof Error ? error.message : String(error)}`)
  }
  t.same(problems, [], name)
}

function makeJudge(problems: string[]): Judge {
  const that = (holds: boolean, problem: string): void => {
    if (!holds) problems.push(problem)
  }
  return {
    that,
    status: (answer, ...allowed) =>
      that(
        allowed.includes(answer.status),
        `status ${answer.status}, wanted ${allowed.join(' or ')}: ${answer.body.subarray(0, 200).toString()}`,
      ),
    header: (answer, name, value) =>
      that(headerOf(answer, name) === value, `${name}: "${headerOf(answer, name)}", wanted "${value}"`),
    present: (answer, name) => that(headerOf(answer, name) !== '', `${name} is missing`),
    body: (answer, bytes) =>
      that(answer.body.equals(bytes), `body of ${answer.body.length} bytes differs from the ${bytes.length} wanted`),
    code: (answer, ...allowed) =>
      that(allowed.includes(codeOf(answer)), `error code "${codeOf(answer)}", wanted ${allowed.join(' or ')}`),
  }
}
