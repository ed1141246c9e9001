// `tarn cluster repair`: a registry was lost and rebuilt. It lets the cluster's old login in again, says what the cluster must
// be told of the new certificate, and which images in use are not here.
import type { Command } from 'commander'
import { Option } from 'commander'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { readHtpasswd, writeUser } from '../../auth/edit-htpasswd.ts'
import { hashPassword } from '../../auth/password.ts'
import { Problem } from '../../config/problem.ts'
import { mergeCa } from '../../openshift/cluster/ca-config-map.ts'
import type { CheckedImage } from '../../openshift/cluster/find-missing.ts'
import { readClusterCa, readClusterPullSecret } from '../../openshift/cluster/live-cluster.ts'
import { readObjects } from '../../openshift/cluster/objects.ts'
import type { PullSecret } from '../../openshift/cluster/pull-secret.ts'
import { mergePullSecrets, readPullSecret } from '../../openshift/cluster/pull-secret.ts'
import type { RegistryName } from '../../openshift/cluster/registry-name.ts'
import type { DiffSection } from '../../openshift/cluster/repair.ts'
import {
  diffCa,
  diffLogins,
  diffPullSecret,
  formatDiff,
  handOutRepair,
  isChange,
} from '../../openshift/cluster/repair.ts'
import { planLogins } from '../../openshift/cluster/repair-logins.ts'
import type { CommandContext } from '../context.ts'
import { outputOf } from '../context.ts'
import { htpasswdPath } from '../home.ts'
import { EXIT } from '../output.ts'
import { askCluster } from './ask-cluster.ts'
import { openRegistries } from './asked-registries.ts'
import type { GivenOptions } from './given.ts'
import { Given, readFileOf } from './given.ts'
import { writeFiles } from './handout.ts'
import { describeMissing, inUseOptions, lookForMissing } from './missing.ts'
import type { InUseOptions } from './missing.ts'
import { clusterOption, loginOptions, makeCommand, sourceOptions, trustOption } from './options.ts'

interface Options extends GivenOptions, InUseOptions {
  readonly pullSecret?: string
  readonly existing?: string
  readonly fromCluster?: true
  readonly name: string
  readonly newLogin?: true
  readonly dryRun?: true
  readonly out?: string
}

const OUT = 'cluster-repair'

export function repairCommand(context: CommandContext): Command {
  return makeCommand('repair', 'after auth/, certs/ or data/ were lost: what makes registry and cluster fit again', [
    clusterOption('the cluster’s pull secret, certificates and images in use, read'),
    new Option(
      '--pull-secret <file>',
      'the cluster’s pull secret, as oc get secret/pull-secret -n openshift-config -o json prints it',
    ),
    new Option('--existing <file>', 'the cluster’s ConfigMap of certificates'),
    new Option('--name <name>', 'the name of a new ConfigMap').default('registry-cas'),
    new Option('--new-login', 'give the cluster a new login (--user), instead of the registry the old one'),
    ...loginOptions(),
    trustOption(),
    ...inUseOptions(),
    ...sourceOptions(),
    new Option('--dry-run', 'only show what would change'),
  ]).action(async (argument: string | undefined, options: Options, command: Command) => {
    await repair(argument, options, command, context)
  })
}

async function repair(
  argument: string | undefined,
  options: Options,
  command: Command,
  context: CommandContext,
): Promise<void> {
  const given = new Given(options, command, context)
  const output = outputOf(command, context)
  const registry = given.registry(argument)
  const ask = options.fromCluster === true ? askCluster() : undefined
  const [secret, existing] = [await readSecret(options, ask), await readCa(options, ask)]
  if (secret === undefined && existing === undefined && options.inUse === undefined) {
    throw new Problem('nothing is known of the cluster', {
      hint: 'give --from-cluster, or --pull-secret FILE and --existing FILE, or --in-use FILE when only data was lost',
      exitCode: 2,
    })
  }
  const dryRun = options.dryRun === true
  const login = options.newLogin === true ? await given.login(registry) : undefined
  if (options.newLogin === true && (login === undefined || secret === undefined)) {
    throw new Problem('--new-login wants a login and the pull secret that it goes into', {
      hint: 'give --user NAME --password-stdin, and --pull-secret FILE or --from-cluster',
      exitCode: 2,
    })
  }
  // Everything that can turn out wrong comes before the first byte that is written.
  const logins =
    secret === undefined || login !== undefined
      ? undefined
      : await prepareLogins(given, secret, registry, (text) => output.note(text))
  const sections: DiffSection[] = logins === undefined ? [] : [logins.section]
  const trust = secret === undefined && existing === undefined ? undefined : given.trust()
  const ca =
    trust === undefined ? undefined : mergeCa({ registry, trust, name: options.name, existing, updateService: false })
  const caDiff = ca && diffCa(ca)
  if (caDiff !== undefined) sections.push(caDiff)
  if (ca !== undefined && existing === undefined) {
    output.note(
      'note: a cluster takes one ConfigMap of certificates: if it has one, give it with --existing or --from-cluster',
    )
  }
  const merged = secret && login && mergePullSecrets([{ source: 'the cluster', secret }], { registry, login })
  for (const note of merged?.notes ?? []) output.note(`note: ${note}`)
  if (secret !== undefined)
    sections.push(diffPullSecret(secret, merged && readPullSecret(merged.text, 'the new one'), registry))

  const handout = handOutRepair({ ca: caDiff && isChange(caDiff) ? ca : undefined, pullSecret: merged?.text })
  const missing = await lookForMissing(given, registry, options, {
    ask,
    openRegistries: (home) => openRegistries(home, options, secret, context),
  })
  if (!dryRun) await logins?.write()
  const written = dryRun ? [] : await writeFiles(resolve(options.out ?? OUT), handout.files)
  const lines = [
    formatDiff(sections),
    ...written.map(({ path }) => `made ${path}`),
    ...(handout.commands.length === 0 ? [] : ['On the cluster:', ...handout.commands.map((line) => `  ${line}`)]),
    ...(sections.length > 0 ? handout.notes : []),
    ...(missing === undefined ? [] : describeMissing(missing)),
  ].filter((line) => line !== '')
  output.result(
    {
      dryRun,
      changes: sections,
      files: written,
      commands: handout.commands,
      ...(missing && { images: missing.images, places: missing.places }),
    },
    lines.join('\n'),
  )
  if (missing !== undefined && missing.images.some(isLost)) process.exitCode = EXIT.notVerified
}

function isLost({ state }: CheckedImage): boolean {
  return state === 'missing' || state === 'incomplete'
}

/** What gives the registry the users of the pull secret; nothing is written before `write` is called. */
async function prepareLogins(
  given: Given,
  secret: PullSecret,
  registry: RegistryName,
  note: (text: string) => void,
): Promise<{ readonly section: DiffSection; readonly write: () => Promise<void> }> {
  if (given.home === undefined) {
    throw new Problem('there is no registry’s home here whose htpasswd could be rebuilt', {
      hint: 'name its configuration: --config FILE; a new one is made by tarn init',
      exitCode: 2,
    })
  }
  const path = htpasswdPath(given.home)
  const plan = await planLogins(secret, registry, existsSync(path) ? await readHtpasswd(path) : '')
  for (const each of plan.notes) note(`note: ${each}`)
  // All hashes first: a password that bcrypt cannot hold stops it before anything is written.
  const hashes = await Promise.all(
    plan.users.flatMap(({ login, change }) =>
      change === 'as it is' ? [] : [hashPassword(login.password).then((hash) => ({ user: login.user, hash }))],
    ),
  )
  return {
    section: diffLogins(path, plan),
    async write() {
      for (const { user, hash } of hashes) await writeUser(path, user, hash)
    },
  }
}

async function readSecret(
  { pullSecret }: Options,
  ask: ReturnType<typeof askCluster> | undefined,
): Promise<PullSecret | undefined> {
  if (pullSecret !== undefined) return readPullSecret(readFileOf('pull secret', pullSecret), pullSecret)
  return ask && readClusterPullSecret(ask)
}

async function readCa({ existing }: Options, ask: ReturnType<typeof askCluster> | undefined) {
  if (existing !== undefined) return readObjects(readFileOf('ConfigMap', existing), existing).at(0)
  return ask && readClusterCa(ask)
}
