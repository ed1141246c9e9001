// `tarn bundle`: carries images across a gap. Each of its commands has a file of its own.
import { Command } from 'commander'
import { bundleApplyCommand } from './bundle-apply.ts'
import { bundleCreateCommand } from './bundle-create.ts'
import { bundleInspectCommand } from './bundle-inspect.ts'
import { bundleInventoryCommand } from './bundle-inventory.ts'
import { bundleKeygenCommand } from './bundle-keygen.ts'
import { bundleVerifyCommand } from './bundle-verify.ts'
import type { CommandContext } from './context.ts'

/** `tarn bundle create|verify|inspect|apply|inventory|keygen`. */
export function bundleCommand(context: CommandContext): Command {
  return new Command('bundle')
    .description('carry images across a gap: in tar files that any registry can unpack, signed, only what is missing')
    .addCommand(bundleCreateCommand(context))
    .addCommand(bundleVerifyCommand(context))
    .addCommand(bundleInspectCommand(context))
    .addCommand(bundleApplyCommand(context))
    .addCommand(bundleInventoryCommand(context))
    .addCommand(bundleKeygenCommand(context))
}
