// `tarn cluster ca`: the ConfigMap of the certificates that a cluster trusts registries by, with this registry's in it.
import type { Command } from 'commander'
import { Option } from 'commander'
import { Problem } from '../../config/problem.ts'
import { handOutCa } from '../../openshift/cluster/ca-config-map.ts'
import { readClusterCa } from '../../openshift/cluster/live-cluster.ts'
import { readObjects } from '../../openshift/cluster/objects.ts'
import type { CommandContext } from '../context.ts'
import { askCluster } from './ask-cluster.ts'
import type { GivenOptions } from './given.ts'
import { Given, readFileOf } from './given.ts'
import { deliver } from './handout.ts'
import { clusterOption, makeCommand, trustOption } from './options.ts'

interface Options extends GivenOptions {
  readonly existing?: string
  readonly fromCluster?: true
  readonly name: string
  readonly updateService?: true
  readonly out?: string
}

export function caCommand(context: CommandContext): Command {
  return makeCommand('ca', 'the ConfigMap by which a cluster trusts this registry, and the patch that names it', [
    trustOption(),
    new Option('--existing <file>', 'the ConfigMap that the cluster has: its other keys are kept').conflicts(
      'fromCluster',
    ),
    clusterOption('the ConfigMap that the cluster has, read'),
    new Option('--name <name>', 'the name of a new ConfigMap').default('registry-cas'),
    new Option('--update-service', 'the key that OpenShift Update Service reads too'),
  ]).action(async (argument: string | undefined, options: Options, command: Command) => {
    const given = new Given(options, command, context)
    const registry = given.registry(argument)
    const trust = given.trust()
    if (trust === undefined) {
      throw new Problem('this registry speaks plain HTTP: there is no certificate to trust', {
        hint: 'make one: tarn init DIR --host NAME --user NAME; or name one: --ca FILE',
      })
    }
    const { existing: file, fromCluster, name, updateService = false } = options
    const existing =
      fromCluster === true
        ? await readClusterCa(askCluster())
        : file && readObjects(readFileOf('ConfigMap', file), file).at(0)
    await deliver(
      handOutCa({ registry, trust, name, existing: existing || undefined, updateService }),
      options,
      command,
      context,
    )
  })
}
