// `tarn cluster install-config`: the part of install-config.yaml that makes an installation take its images from here.
import type { Command } from 'commander'
import { Option } from 'commander'
import { handOutInstallConfig } from '../../openshift/cluster/install-config.ts'
import { parseSourceOption } from '../../openshift/cluster/mirror-pairs.ts'
import { mergePullSecrets, readPullSecret } from '../../openshift/cluster/pull-secret.ts'
import { parseOpenShiftVersion } from '../../openshift/cluster/version.ts'
import type { CommandContext } from '../context.ts'
import { collect, outputOf } from '../context.ts'
import type { GivenOptions } from './given.ts'
import { Given, readFileOf } from './given.ts'
import { deliver } from './handout.ts'
import { loginOptions, makeCommand, sourceOptions, trustOption, versionOption } from './options.ts'

interface Options extends GivenOptions {
  readonly for: string
  readonly pullSecret?: readonly string[]
  readonly all?: true
  readonly out?: string
}

export function installConfigCommand(context: CommandContext): Command {
  return makeCommand('install-config', 'what install-config.yaml gets: sources, certificate, pull secret', [
    versionOption(),
    ...sourceOptions(),
    new Option('--all', 'sources beyond those of releases too'),
    trustOption(),
    new Option('--pull-secret <file>', 'a pull secret to begin with (can be given again)').argParser(collect),
    ...loginOptions(),
  ]).action(async (argument: string | undefined, options: Options, command: Command) => {
    const given = new Given(options, command, context)
    const version = parseOpenShiftVersion(options.for)
    const registry = given.registry(argument)
    const said = new Set((options.source ?? []).map((text) => parseSourceOption(text, registry).source))
    const all = await given.pairs(registry, 'repository')
    const pairs = all.filter(({ release, source }) => release || options.all === true || said.has(source))
    given.requirePairs(pairs)
    const trust = given.trust()
    const files = options.pullSecret ?? []
    const secrets = files.map((source) => ({
      source,
      secret: readPullSecret(readFileOf('pull secret', source), source),
    }))
    const login = await given.login(registry)
    const merged =
      secrets.length === 0 && login === undefined
        ? undefined
        : mergePullSecrets(secrets, login && { registry, login, email: undefined })
    const output = outputOf(command, context)
    for (const note of merged?.notes ?? []) output.note(`note: ${note}`)
    if (merged === undefined) output.note('note: pullSecret is left out: give --user and --pull-secret for it')
    const release = (await given.found())?.releases.at(-1)
    const handout = handOutInstallConfig({
      version,
      pairs,
      trust,
      pullSecret: merged?.text,
      releaseImage: release && `${registry.name}/${release.repository}:${release.tag}`,
    })
    await deliver(handout, options, command, context)
  })
}
