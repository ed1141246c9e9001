// How much memory a process needed at its peak, from /proc (Linux).
import { readFile, writeFile } from 'node:fs/promises'

/** Makes the peak begin anew from what the process has now. Throws where the kernel does not allow it. */
export async function resetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5')
}

/** Most memory that the process had resident since the reset, in MiB. */
export async function readPeak(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
  if (kib === undefined) throw new Error(`the kernel does not tell the peak of process ${pid}`)
  return Number(kib) / 1024
}
