// `tarn release`: what is to be done with a release of OpenShift as a whole.
import { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import { infoCommand } from './info.ts'
import { mirrorCommand } from './mirror.ts'
import { verifyCommand } from './verify.ts'

export function releaseCommand(context: CommandContext): Command {
  return new Command('release')
    .description('a release of OpenShift: look into it, mirror it, verify that all of it is here')
    .addCommand(infoCommand(context))
    .addCommand(mirrorCommand(context))
    .addCommand(verifyCommand(context))
}
