// Asks a person before something is done that cannot be undone. Only a whole "y" or "yes" is one.
import { createInterface } from 'node:readline/promises'
import type { CommandContext } from './context.ts'

/** Asks on stderr, so that stdout holds the result alone; the end of input means no. */
export async function confirm(
  question: string,
  { stdin, stderr }: Pick<CommandContext, 'stdin' | 'stderr'>,
): Promise<boolean> {
  const lines = createInterface({ input: stdin, output: stderr, terminal: false })
  try {
    const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')))
    const answer = await Promise.race([lines.question(`${question} [y/N] `), ended])
    return /^(?:y|yes)$/i.test(answer.trim())
  } finally {
    lines.close()
  }
}
