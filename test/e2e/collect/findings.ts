// What the clients of the soak count and complain about. A complaint is a broken promise; whatever a client could not
// judge, because it acted later than its lease or while others changed what it read, is counted and no complaint.
export interface Timed {
  /** Milliseconds of this process, before the request left: a promise in its answer is younger than this. */
  readonly sentAt: number
}

export class Findings {
  /** Acts that were answered, by name. */
  readonly acts = new Map<string, number>()
  readonly complaints: string[] = []
  /** Refusals that came later than the lease. */
  late = 0
  /** Tars that had to be unpacked once more. */
  again = 0
  /** Answers about something that was being changed. */
  unjudged = 0

  count(act: string): void {
    this.acts.set(act, (this.acts.get(act) ?? 0) + 1)
  }

  complain(text: string): void {
    this.complaints.push(text)
  }

  get total(): number {
    return [...this.acts.values()].reduce((sum, count) => sum + count, 0)
  }

  /** `12 pulls, 3 pushes` */
  describe(): string {
    return [...this.acts]
      .toSorted(([, a], [, b]) => b - a)
      .map(([act, count]) => `${count} ${act}`)
      .join(', ')
  }
}
