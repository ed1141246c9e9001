// `tarn cluster mirror-set`: ImageContentSourcePolicy, or ImageDigestMirrorSet and ImageTagMirrorSet.
import { Command, Option } from 'commander'
import { handOutMirrorSets } from '../../openshift/cluster/mirror-set.ts'
import { hasMirrorSets, parseOpenShiftVersion } from '../../openshift/cluster/version.ts'
import type { CommandContext } from '../context.ts'
import type { GivenOptions } from './given.ts'
import { Given } from './given.ts'
import { deliver } from './handout.ts'
import { makeCommand, neverSourceOption, sourceOptions, versionOption } from './options.ts'

interface Options extends GivenOptions {
  readonly for: string
  readonly name: string
  readonly out?: string
  readonly neverSource?: true
}

export function mirrorSetCommand(context: CommandContext): Command {
  const name = new Option('--name <name>', 'the name of the objects').default('tarn')
  return makeCommand('mirror-set', 'the objects that tell a cluster which images lie here', [
    versionOption(),
    ...sourceOptions(),
    neverSourceOption(),
    name,
  ]).action(async (argument: string | undefined, options: Options, command: Command) => {
    const given = new Given(options, command, context)
    const version = parseOpenShiftVersion(options.for)
    const registry = given.registry(argument)
    // Whole namespaces, so that what is mirrored next week needs no other object and no drain of all nodes. The oldest
    // clusters take repositories alone.
    const pairs = await given.pairs(registry, hasMirrorSets(version) ? 'namespace' : 'repository')
    given.requirePairs(pairs)
    const handout = handOutMirrorSets({ version, pairs, name: options.name, neverSource: options.neverSource === true })
    await deliver(handout, options, command, context)
  })
}
