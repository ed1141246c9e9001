// What a command meets that wants to work on a data directory which another process keeps (I11).
import { Problem } from '../config/problem.ts'

/** Thrown when the lock of a data directory is held by another process; it can be asked again a moment later. */
export class KeptElsewhere extends Problem {
  /** As the keeper itself wrote it; undefined when it did not. In a container it counts in its own way. */
  readonly pid: number | undefined

  constructor(directory: string, pid: number | undefined) {
    super(`${pid === undefined ? 'another process' : `process ${pid}`} keeps the data directory ${directory}`, {
      hint: 'wait until it ends, or give the work to it',
    })
    this.pid = pid
  }
}
