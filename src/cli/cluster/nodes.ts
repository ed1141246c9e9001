// `tarn cluster nodes`: what hosts outside OpenShift need: podman and CRI-O, containerd, k3s, RKE2, docker.
import type { Command } from 'commander'
import { InvalidArgumentError, Option } from 'commander'
import { settleMirror } from '../../config/mirror.ts'
import type { NodeOptions } from '../../openshift/cluster/node-options.ts'
import type { Runtime } from '../../openshift/cluster/nodes.ts'
import { handOutNodes, makeNodeScript, RUNTIMES } from '../../openshift/cluster/nodes.ts'
import type { CommandContext } from '../context.ts'
import type { GivenOptions } from './given.ts'
import { Given, readFileOf } from './given.ts'
import { deliver } from './handout.ts'
import { loginOptions, makeCommand, neverSourceOption, sourceOptions, trustOption } from './options.ts'

interface Options extends GivenOptions {
  readonly runtime?: readonly Runtime[]
  readonly neverSource?: true
  readonly daemonJson?: string
  readonly registriesYaml?: string
  readonly out?: string
}

function addRuntime(value: string, earlier: readonly Runtime[] = []): Runtime[] {
  const runtime = RUNTIMES.find((each) => each === value)
  if (runtime !== undefined) return [...earlier, runtime]
  throw new InvalidArgumentError(`it is one of ${RUNTIMES.join(', ')}.`)
}

export function nodesCommand(context: CommandContext): Command {
  return makeCommand('nodes', 'files for hosts with podman, CRI-O, containerd, k3s, RKE2 or docker', [
    new Option('--runtime <name>', `only for this one of ${RUNTIMES.join(', ')} (can be given again)`).argParser(
      addRuntime,
    ),
    ...sourceOptions(),
    neverSourceOption(),
    trustOption(),
    ...loginOptions(),
    new Option('--daemon-json <file>', 'docker’s daemon.json as the node has it: its other keys are kept'),
    new Option('--registries-yaml <file>', 'the registries.yaml as the node has it: its other keys are kept'),
  ]).action(async (argument: string | undefined, options: Options, command: Command) => {
    const given = new Given(options, command, context)
    const registry = given.registry(argument)
    const { home } = given
    const upstreams = home === undefined ? [] : (settleMirror(home.config, { directory: '.' })?.upstreams ?? [])
    const { daemonJson, registriesYaml, neverSource = false } = options
    const node: NodeOptions = {
      registry,
      trust: given.trust(),
      login: await given.login(registry),
      pairs: await given.pairs(registry, 'registry'),
      neverSource,
      isHub: upstreams.some(({ host, path }) => path === '' && host === 'docker.io'),
      ...(daemonJson !== undefined && { daemonJson: readFileOf('daemon.json', daemonJson) }),
      ...(registriesYaml !== undefined && { registriesYaml: readFileOf('registries.yaml', registriesYaml) }),
    }
    const runtimes = options.runtime ?? RUNTIMES
    const asText = makeNodeScript(runtimes, node, { guarded: options.runtime === undefined })
    await deliver(handOutNodes(runtimes, node), { ...options, asText }, command, context)
  })
}
