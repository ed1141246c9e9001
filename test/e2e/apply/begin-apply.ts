// A `bundle apply` that is in the middle of its file for as long as a test wants: it reads a pipe into which half of the part
// was put, so that a kill cannot come before the first blob or after the last.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Service } from '../helpers/machine.ts'
import type { E2EContext } from '../helpers/suite.ts'

export interface BegunApply {
  readonly command: Service
  /** Waits until the command is gone; throws when it ended in another way. */
  mustEnd(how: RegExp): Promise<void>
}

/** Begins; `words` gives the arguments of node for the file to be read. Resolves when half of `part` was read. */
export async function beginApply(
  { machine, node }: E2EContext,
  part: string,
  words: (file: string) => readonly string[],
): Promise<BegunApply> {
  const fifo = join(await machine.scratch('pipe'), 'part.tar')
  await machine.run('mkfifo', [fifo])
  const half = `${Math.floor(statSync(part).size / 2)}`
  const command = machine.start(node, words(fifo))
  // It keeps the pipe open: its end would be that of the file.
  const feed = 'exec 3>"$1"; head -c "$3" "$2" >&3 && echo half; exec sleep 600'
  const feeder = machine.start('sh', ['-c', feed, 'feed', fifo, part, half])
  await command.waitFor(/phase: read/)
  await feeder.waitFor(/half/)
  return {
    command,
    async mustEnd(how) {
      // Whoever reads a pipe waits for its end, though nobody takes what comes any more.
      await feeder.stop()
      const ending = await command.ending()
      if (!how.test(ending)) throw new Error(`bundle apply ${part}: ${ending}\n${command.log()}`)
    },
  }
}
