// `tarn cluster`: what a cluster and its nodes must be given so that they take their images from here.
import { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import { caCommand } from './ca.ts'
import { catalogSourceCommand } from './catalog-source.ts'
import { doctorCommand } from './doctor.ts'
import { installConfigCommand } from './install-config.ts'
import { mirrorSetCommand } from './mirror-set.ts'
import { nodesCommand } from './nodes.ts'
import { pullSecretCommand } from './pull-secret.ts'
import { repairCommand } from './repair.ts'
import { signaturesCommand } from './signatures.ts'
import { updateServiceCommand } from './update-service.ts'

export function clusterCommand(context: CommandContext): Command {
  return new Command('cluster')
    .description('what OpenShift and other clusters must be given to take their images from here')
    .addCommand(installConfigCommand(context))
    .addCommand(mirrorSetCommand(context))
    .addCommand(caCommand(context))
    .addCommand(pullSecretCommand(context))
    .addCommand(signaturesCommand(context))
    .addCommand(catalogSourceCommand(context))
    .addCommand(updateServiceCommand(context))
    .addCommand(nodesCommand(context))
    .addCommand(repairCommand(context))
    .addCommand(doctorCommand(context))
}
