/** Runtime specs as JSON: their limits go beyond what a JavaScript number holds exactly. */

/** No name, argument or value of a spec begins so: the kernel takes none with NUL. */
const MARK = '\0integer:'
const MARKED = /"\\u0000integer:(\d+)"/g

/** bigint values become plain integers. */
export function specJson(value: unknown, space?: number): string {
  const text = JSON.stringify(
    value,
    (_, item: unknown) => (typeof item === 'bigint' ? `${MARK}${item}` : item),
    space,
  )
  return text.replaceAll(MARKED, '$1')
}
