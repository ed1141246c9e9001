// `tarn cluster update-service`: the object by which OpenShift Update Service serves the graph of updates from here.
import type { Command } from 'commander'
import { Option } from 'commander'
import { Problem } from '../../config/problem.ts'
import { isRepositoryName } from '../../oci/name.ts'
import { isTag } from '../../oci/reference.ts'
import { handOutUpdateService } from '../../openshift/cluster/update-service.ts'
import { readTag } from '../../storage/read-repository.ts'
import type { CommandContext } from '../context.ts'
import type { GivenOptions } from './given.ts'
import { Given } from './given.ts'
import { deliver } from './handout.ts'
import { makeCommand } from './options.ts'

interface Options extends GivenOptions {
  readonly releases?: string
  readonly graphImage: string
  readonly name: string
  readonly out?: string
}

const NOTHING = { onStray: () => undefined, onUnreadable: () => undefined }

export function updateServiceCommand(context: CommandContext): Command {
  return makeCommand('update-service', 'the UpdateService that serves the graph of updates from here', [
    new Option('--releases <repository>', 'the repository of the release images (default: the one that is found)'),
    new Option('--graph-image <repository:tag>', 'the image of the graph').default('openshift/graph-image:latest'),
    new Option('--name <name>', 'the name of the object').default('update-service-tarn'),
  ]).action(async (argument: string | undefined, options: Options, command: Command) => {
    const given = new Given(options, command, context)
    const registry = given.registry(argument)
    const strip = (text: string): string =>
      text.startsWith(`${registry.name}/`) ? text.slice(registry.name.length + 1) : text
    const found = (await given.found())?.releases ?? []
    const releases = strip(options.releases ?? found.at(-1)?.repository ?? '')
    if (!isRepositoryName(releases)) {
      throw new Problem(`there is no repository of release images here${releases === '' ? '' : `: ${releases}`}`, {
        hint: 'name it: --releases REPOSITORY',
        exitCode: 2,
      })
    }
    const handout = handOutUpdateService({
      name: options.name,
      releases: `${registry.name}/${releases}`,
      graphImage: `${registry.name}/${pin(given, strip(options.graphImage))}`,
      crowded: found.some(({ repository, components }) => repository === releases && components === releases),
    })
    await deliver(handout, options, command, context)
  })

  // A tag moves with each new graph, and the service notices only another reference.
  function pin(given: Given, image: string): string {
    const [, name = '', tag = ''] = /^([^:@]+):([^:@/]+)$/.exec(image) ?? []
    if (given.home === undefined || !isRepositoryName(name) || !isTag(tag)) return image
    const { target } = readTag(given.layout, name, tag, NOTHING)
    return target === undefined ? image : `${name}@${target}`
  }
}
