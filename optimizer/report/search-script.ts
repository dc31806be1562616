/** The page's only script: it brings the search field, and hides rows that do not match. Without it nothing lacks. */
export const SEARCH_SCRIPT = `
(() => {
  const field = document.getElementById('search-field')
  const input = document.getElementById('search')
  const count = document.getElementById('search-count')
  const table = document.getElementById('all-files')
  if (!field || !input || !count || !table) return
  const rows = [...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()])
  field.hidden = false
  input.addEventListener('input', () => {
    const wanted = input.value.trim().toLowerCase()
    let shown = 0
    for (const [row, text] of rows) {
      row.hidden = wanted !== '' && !text.includes(wanted)
      if (!row.hidden) shown++
    }
    count.textContent = wanted === '' ? '' : shown + ' of ' + rows.length
  })
})()
`
