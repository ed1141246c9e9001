import t from 'tap'
import { Allowance, COST } from '../../src/bundle/allowance.ts'
import { Claims } from '../../src/bundle/claims.ts'
import { digestOf } from '../../src/oci/digest.ts'

t.test(
  'what a digest cost when it was met is known: that of a manifest’s layer more than that of a link’s',
  async (t) => {
    const allowance = new Allowance(10 * COST.named)
    const claims = new Claims(allowance)
    const [named, linked] = [digestOf(Buffer.from('named')), digestOf(Buffer.from('linked'))]
    for (let round = 0; round < 2; round += 1) {
      claims.intern(named, COST.named)
      claims.intern(linked)
      claims.intern(linked, COST.named)
    }
    t.same([claims.costOf(named), claims.costOf(linked)], [COST.named, COST.digest])
    for (const digest of [named, linked]) allowance.giveBack(claims.costOf(digest))
    allowance.take(10 * COST.named)
    t.throws(() => allowance.take(1), { message: /names more/ }, 'all of it was given back, and no more')
  },
)
