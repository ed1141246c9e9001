// Options and arguments that the commands of `tarn cluster` share.
import { Argument, Command, Option } from 'commander'
import { SCOPES } from '../../openshift/cluster/mirror-pairs.ts'
import { collect } from '../context.ts'
import { configOption } from '../home.ts'
import { outOption } from './handout.ts'

/** A command with the registry as its argument, `--out` and `--config`, and what `more` adds. */
export function makeCommand(
  name: string,
  description: string,
  more: readonly Option[],
  { files = true }: { readonly files?: boolean } = {},
): Command {
  const command = new Command(name)
    .description(description)
    .addArgument(new Argument('[registry]', 'HOST:PORT as image names begin (default: by the home’s certificate)'))
  for (const option of [...more, ...(files ? [outOption()] : []), configOption()]) command.addOption(option)
  return command
}

/** `--for 4.14` */
export const versionOption = (): Option =>
  new Option('--for <version>', 'the version of OpenShift, as in 4.14').makeOptionMandatory()

export const trustOption = (): Option =>
  new Option('--ca <file>', 'the certificate of the authority that clients must trust (default: the home’s)')

/** The password is never an argument, which everybody can read. */
export const loginOptions = (): Option[] => [
  new Option('--user <name>', 'the user that clients log in as'),
  new Option('--password-stdin', 'take the password of --user from stdin'),
  new Option('--password-file <file>', 'take the password of --user from the first line of a file'),
]

export const sourceOptions = (): Option[] => [
  new Option('--source <name=repository>', 'what lies here in which repository (can be given again)').argParser(
    collect,
  ),
  new Option('--no-derive', 'only what --source says, not what the data directory holds'),
  new Option('--scope <scope>', 'how much one entry covers, where paths are kept').choices(SCOPES),
]

export const neverSourceOption = (): Option =>
  new Option('--never-source', 'nodes never ask the registry of the image’s own name')

/** For the secrets and objects of a cluster: files, or the cluster that oc or kubectl is logged in to. */
export const clusterOption = (what: string): Option =>
  new Option('--from-cluster', `${what} by oc or kubectl, which must be logged in`)
