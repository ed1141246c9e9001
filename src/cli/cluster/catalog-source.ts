// `tarn cluster catalog-source`: the objects by which OLM takes its catalogs of operators from here.
import type { Command } from 'commander'
import { Option } from 'commander'
import { Problem } from '../../config/problem.ts'
import { handOutCatalogs } from '../../openshift/cluster/catalogs.ts'
import { findCatalogs } from '../../openshift/cluster/find-catalogs.ts'
import { parseOpenShiftVersion } from '../../openshift/cluster/version.ts'
import type { CommandContext } from '../context.ts'
import { collect } from '../context.ts'
import type { GivenOptions } from './given.ts'
import { Given } from './given.ts'
import { deliver } from './handout.ts'
import { makeCommand, versionOption } from './options.ts'

interface Options extends GivenOptions {
  readonly for: string
  readonly image?: readonly string[]
  readonly out?: string
}

export function catalogSourceCommand(context: CommandContext): Command {
  return makeCommand('catalog-source', 'CatalogSource and ClusterCatalog for the catalogs of operators that lie here', [
    versionOption(),
    new Option(
      '--image <repository:tag>',
      'a catalog here (default: all that are found; can be given again)',
    ).argParser(collect),
  ]).action(async (argument: string | undefined, options: Options, command: Command) => {
    const given = new Given(options, command, context)
    const version = parseOpenShiftVersion(options.for)
    const registry = given.registry(argument)
    const here = options.image ?? findCatalogs(given.layout).map(({ repository, tag }) => `${repository}:${tag}`)
    if (here.length === 0) {
      throw new Problem('no image here says that it is a catalog of operators', {
        hint: 'name it: --image REPOSITORY:TAG',
      })
    }
    const catalogs = here.map((text) => ({
      image: text.startsWith(`${registry.name}/`) ? text : `${registry.name}/${text}`,
    }))
    await deliver(handOutCatalogs(catalogs, version), options, command, context)
  })
}
