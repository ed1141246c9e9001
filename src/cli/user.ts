// `tarn user`: who may log in. A running server takes a change up at its next request.
import { resolve } from 'node:path'
import { Command } from 'commander'
import { eraseUser, readHtpasswd, writeUser } from '../auth/edit-htpasswd.ts'
import type { Htpasswd } from '../auth/htpasswd.ts'
import { costOf, parseHtpasswd } from '../auth/htpasswd.ts'
import { hashPassword, parseUserName } from '../auth/password.ts'
import { Problem } from '../config/problem.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'
import { configOption, htpasswdPath, readHome } from './home.ts'
import { askPassword, readPassword } from './password-input.ts'

interface UserOptions {
  readonly config?: string
  readonly passwordStdin?: boolean
}

/** `tarn user add|remove|list`. */
export function userCommand(context: CommandContext): Command {
  const user = new Command('user').description('add, remove and list the users of the registry')
  user
    .command('add')
    .description('add a user, or give one a new password')
    .argument('<name>', 'the user')
    .option('--password-stdin', 'take the password from stdin instead of asking for it')
    .addOption(configOption())
    .action(async (name: string, options: UserOptions, command: Command) => {
      await add(name, options, command, context)
    })
  user
    .command('remove')
    .description('remove a user')
    .argument('<name>', 'the user')
    .addOption(configOption())
    .action(async (name: string, options: UserOptions, command: Command) => {
      const { path } = await readUsers(options, command, context)
      if (!(await eraseUser(path, name))) {
        throw new Problem(`there is no user ${name} in ${path}`, { hint: 'see who is: tarn user list' })
      }
      outputOf(command, context).result({ user: name, removed: true }, `removed ${name}`)
    })
  user
    .command('list')
    .description('list the users')
    .addOption(configOption())
    .action(async (options: UserOptions, command: Command) => {
      await list(options, command, context)
    })
  return user
}

async function add(name: string, options: UserOptions, command: Command, context: CommandContext): Promise<void> {
  const user = parseUserName(name)
  const { path, users } = await readUsers(options, command, context)
  if (options.passwordStdin !== true && context.stdin.isTTY !== true) {
    throw new Problem('there is no terminal to ask for the password', {
      hint: `use: tarn user add ${user} --password-stdin < FILE`,
      exitCode: 2,
    })
  }
  const password = options.passwordStdin === true ? await readPassword(context) : await askPassword(context)
  const isNew = !users.has(user)
  await writeUser(path, user, await hashPassword(password))
  outputOf(command, context).result({ user, added: isNew }, isNew ? `added ${user}` : `${user} has a new password`)
}

async function list(options: UserOptions, command: Command, context: CommandContext): Promise<void> {
  const { path, source, users, refused } = await readUsers(options, command, context)
  const output = outputOf(command, context)
  for (const { line, user, reason } of refused) {
    output.note(`line ${line}${user === undefined ? '' : ` (${user})`} ${reason}: it lets nobody in`)
  }
  if (users.size === 0) {
    output.note(`there are no users in ${path}, which ${source} names; for another registry: --config FILE`)
  }
  const names = [...users.keys()].toSorted()
  output.result({ users: [...users].map(([user, hash]) => ({ user, cost: costOf(hash) })) }, names.join('\n'))
}

// Outside a home, the configuration that is found may be one that its user did not think of: it is named.
async function readUsers(
  options: UserOptions,
  command: Command,
  context: CommandContext,
): Promise<Htpasswd & { path: string; source: string }> {
  const home = readHome(options, command, context)
  const path = htpasswdPath(home)
  const source = home.path === undefined ? 'the environment' : resolve(home.path)
  try {
    return { ...parseHtpasswd(await readHtpasswd(path)), path, source }
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const hint = [error.hint, 'for another registry name its configuration: --config FILE'].filter(Boolean).join('; ')
    throw new Problem(`${error.message} (${source} names it)`, { hint, cause: error })
  }
}
