// What is wrong with a bundle, for a person to read. Nothing was taken from it when this is thrown.
import { Problem } from '../config/problem.ts'

/** DESIGN §5: verification failed. */
const NOT_VERIFIED = 4

/** The error of a bundle that is damaged or made up: `tarn bundle verify` and `apply` end with exit code 4. */
export function makeFlaw(
  message: string,
  { hint = 'carry the bundle again, or make it anew', cause }: { hint?: string; cause?: unknown } = {},
): Problem {
  return new Problem(message, { hint, exitCode: NOT_VERIFIED, cause })
}
