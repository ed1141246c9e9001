// The long acts under way in this process, for whoever asks how it is going. A job does not end because the client
// that began it went away: half a collection is no use to anybody.
import type { Progress } from '../../registry/collect.ts'

export interface Job {
  readonly job: string
  readonly startedAt: string
  readonly progress: Progress | undefined
}

export class Jobs {
  readonly #clock: () => number
  readonly #running = new Set<{ job: string; startedAt: string; progress: Progress | undefined }>()

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** Runs `act` and shows it until it ends; `act` is handed where to say how far it is. */
  async run<T>(job: string, act: (note: (progress: Progress) => void) => Promise<T>): Promise<T> {
    const entry = { job, startedAt: new Date(this.#clock()).toISOString(), progress: undefined as Progress | undefined }
    this.#running.add(entry)
    try {
      return await act((progress) => (entry.progress = progress))
    } finally {
      this.#running.delete(entry)
    }
  }

  list(): Job[] {
    return [...this.#running].map((entry) => ({ ...entry }))
  }
}
