/** fast-check with the same inputs every time: what the suite says of a change is about the change. `npm run fuzz` draws its own. */
import fc from 'fast-check'

fc.configureGlobal({ seed: 1 })

export default fc
