// `tarn cluster pull-secret`: the logins of a cluster with the one of this registry among them.
import type { Command } from 'commander'
import { Option } from 'commander'
import { Problem } from '../../config/problem.ts'
import type { Handout } from '../../openshift/cluster/handout.ts'
import { readClusterPullSecret } from '../../openshift/cluster/live-cluster.ts'
import type { PullSecret } from '../../openshift/cluster/pull-secret.ts'
import { mergePullSecrets, readPullSecret } from '../../openshift/cluster/pull-secret.ts'
import type { CommandContext } from '../context.ts'
import { collect, outputOf } from '../context.ts'
import { askCluster } from './ask-cluster.ts'
import type { GivenOptions } from './given.ts'
import { Given, readFileOf } from './given.ts'
import { deliver } from './handout.ts'
import { clusterOption, loginOptions, makeCommand } from './options.ts'

interface Options extends GivenOptions {
  readonly from?: readonly string[]
  readonly fromCluster?: true
  readonly email?: string
  readonly base64?: true
  readonly out?: string
}

export function pullSecretCommand(context: CommandContext): Command {
  return makeCommand('pull-secret', 'one pull secret out of several, with the login of this registry', [
    new Option('--from <file>', 'a pull secret to begin with, the later one wins (can be given again)').argParser(
      collect,
    ),
    clusterOption('begin with the cluster’s own, read'),
    ...loginOptions(),
    new Option('--email <address>', 'an e-mail address in the login, which some old installers want'),
    new Option('--base64', 'as the value of .data, for those who edit the Secret by hand'),
  ]).action(async (argument: string | undefined, options: Options, command: Command) => {
    const given = new Given(options, command, context)
    const registry = given.registry(argument)
    const secrets: { source: string; secret: PullSecret }[] = []
    if (options.fromCluster === true) {
      secrets.push({ source: 'the cluster', secret: await readClusterPullSecret(askCluster()) })
    }
    for (const source of options.from ?? []) {
      secrets.push({ source, secret: readPullSecret(readFileOf('pull secret', source), source) })
    }
    const login = await given.login(registry)
    if (secrets.length === 0 && login === undefined) {
      throw new Problem('there is nothing to put into a pull secret', {
        hint: 'give --user NAME with --password-stdin, and --from FILE for what the cluster has',
        exitCode: 2,
      })
    }
    const { text, notes } = mergePullSecrets(secrets, login && { registry, login, email: options.email })
    const output = outputOf(command, context)
    for (const note of notes) output.note(`note: ${note}`)
    await deliver(handOut(text, options.base64 === true), options, command, context)
  })
}

function handOut(text: string, base64: boolean): Handout {
  if (base64) {
    return {
      files: [{ path: 'pull-secret.base64', text: `${Buffer.from(text).toString('base64')}\n`, secret: true }],
      commands: ['oc edit secret/pull-secret -n openshift-config'],
      notes: ['this is the value of data[".dockerconfigjson"]; it is encoded, not encrypted'],
    }
  }
  const path = 'pull-secret.json'
  return {
    files: [{ path, text: `${text}\n`, secret: true }],
    commands: [`oc set data secret/pull-secret -n openshift-config --from-file=.dockerconfigjson=${path}`],
    notes: [
      'without oc: kubectl create secret docker-registry pull-secret -n NAMESPACE --from-file=.dockerconfigjson=' +
        path,
    ],
  }
}
