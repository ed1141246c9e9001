// One row for each well-known registry: its shape is played by fakes under its own names, in a network namespace with a
// hosts file of its own, so that not one packet leaves and not one key of the configuration differs from what people write.
import { join } from 'node:path'
import { writeFile } from 'node:fs/promises'
import { makeNetworkNamespace } from '../helpers/netns.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { SHAPES } from './shapes/table.ts'

interface Line {
  readonly host: string
  readonly reason?: string
}

export async function checkShapes(context: E2EContext, recorder: Recorder): Promise<void> {
  const { machine, checkout, node } = context
  const { prefix } = await makeNetworkNamespace(machine)
  const hosts = join(await machine.scratch('hosts'), 'hosts')
  await writeFile(hosts, '127.0.0.1 localhost\n')
  const script = join(import.meta.dirname, 'shapes', 'inside.ts')
  const said = await machine
    .run(
      'unshare',
      ['--mount', 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', hosts, node, script, checkout, hosts],
      {
        prefix,
      },
    )
    .catch((error: unknown) => error)
  const lines = said instanceof Error ? [] : readLines((said as { text: string }).text)
  for (const { host, what } of SHAPES) {
    await recorder.check(`${host} mirrored by its own name: ${what}`, async () => {
      if (said instanceof Error) throw said
      const line = lines.find((each) => each.host === host)
      if (line === undefined) throw new Error('nothing was said of it')
      if (line.reason !== undefined) throw new Error(line.reason)
    })
  }
}

function readLines(text: string): Line[] {
  return text.split('\n').map((line) => JSON.parse(line) as Line)
}
