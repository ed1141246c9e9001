// The image: built as docs/image.md says, then run by the handbook's own line with only the image's name, the
// paths and the port changed, as every kind of user that such an image meets. podman pushes and pulls each time.
import { join } from 'node:path'
import { checkLinks, checkModes } from './exchange/directory.ts'
import type { E2EContext, Recorder, Row } from './helpers/suite.ts'
import { makeRecorder } from './helpers/suite.ts'
import { USER } from './helpers/tarn.ts'
import { checkComplaints } from './image/complaints.ts'
import type { Home, Image } from './image/container.ts'
import { buildImage, dataOf, makeHome, pushAndPull, runHandbook, stopContainer } from './image/container.ts'
import { checkArguments } from './image/arguments.ts'
import { makePeer, using } from './exchange/peers.ts'
import { expectStatus } from './exchange/ledger.ts'

export const name = 'image'

/** One way to run the line: words before the image's name, and what is done to the home first. */
interface Way {
  readonly label: string
  readonly words: readonly string[]
  /** Given to each `-v`, after the handbook's own `:z`. */
  readonly volume?: string
  readonly prepare?: (home: Home) => Promise<unknown>
  /** Owner of what is written, where the volume shows it. */
  readonly uid: number
}

const ANY_UID = 1_000_730_000

function listWays({ machine }: E2EContext): Way[] {
  const own = (owner: string) => (home: Home) => machine.run('chown', ['-R', owner, home.folder])
  const openGroup = async (home: Home) => {
    await machine.run('chgrp', ['-R', '0', home.folder])
    await machine.run('chmod', ['-R', 'g=rwX', home.folder])
  }
  return [
    { label: 'as root, the line unchanged', words: [], uid: 0 },
    {
      label: '--user 1001, volumes chowned',
      words: ['--user', '1001'],
      prepare: own('1001'),
      uid: 1001,
    },
    { label: '--user 1001, volumes with :U', words: ['--user', '1001'], volume: 'U', uid: 1001 },
    {
      label: `--user ${ANY_UID}:0, volumes writable by group 0`,
      words: ['--user', `${ANY_UID}:0`],
      prepare: openGroup,
      uid: ANY_UID,
    },
    { label: '--read-only', words: ['--read-only'], uid: 0 },
    {
      label: '--read-only without its tmpfs, --user 1001, no capabilities, no new privileges',
      words: [
        '--read-only',
        '--read-only-tmpfs=false',
        '--user',
        '1001',
        '--cap-drop',
        'all',
        '--security-opt',
        'no-new-privileges',
      ],
      prepare: own('1001'),
      uid: 1001,
    },
  ]
}

export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  let image: Image | undefined
  await recorder.check('is built on a base of Debian packages, without network', async () => {
    image = await buildImage(context)
  })
  if (image === undefined) return recorder.rows
  for (const way of listWays(context)) await tryWay(context, recorder, image, way)
  await checkArguments(context, recorder, image)
  await checkComplaints(context, recorder, image)
  return recorder.rows
}

async function tryWay(context: E2EContext, recorder: Recorder, image: Image, way: Way): Promise<void> {
  const home = await makeHome(context)
  await way.prepare?.(home)
  await recorder.check(`${way.label}: the handbook's line serves; podman logs in, pushes, pulls`, async () => {
    const container = await runHandbook(context, image, home, way)
    await pushAndPull(context, image, home, container)
    const users = await image.podman(['exec', container.name, 'tarn', 'user', 'list'])
    if (users.text !== USER) throw new Error(`tarn user list in the container says: ${users.text} ${users.stderr}`)
    await stopContainer(context, image, container)
  })
  await recorder.check(`${way.label}: what it wrote has distribution's modes and its own user`, async () => {
    const data = dataOf(home)
    await checkLinks(data)
    // A group bit that the administrator set on the volume stays on the volume: what is below is ours.
    await checkModes(join(data), 0o022)
    const strangers = await context.machine.run('find', [data, '-mindepth', '1', '!', '-uid', String(way.uid)])
    if (strangers.text !== '') throw new Error(`not owned by ${way.uid}: ${strangers.text.slice(0, 300)}`)
  })
  if (way.words.length > 0) return
  await recorder.check('registry:2 serves what the container wrote', async () => {
    await using(await makePeer(context, 'registry:2', 'docker-registry').start(dataOf(home)), async (client) => {
      expectStatus(await client.send('GET', '/v2/team/hello/tags/list'), 'tags of team/hello', 200)
    })
  })
}
