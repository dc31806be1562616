/** Numbers as the page writes them. Bytes are in decimal units, as networks count. */

const GROUPED = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

export function count(value: number): string {
  return GROUPED.format(value)
}

/** `217 files`, `1 file` */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

/** `22.3 MB`, `640 kB` */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} B`
  if (bytes < 100_000) return `${trimmed(bytes / 1000)} kB`
  if (bytes < 1e9) return `${trimmed(bytes / 1e6)} MB`
  return `${trimmed(bytes / 1e9)} GB`
}

/** `380 ms`, `3.8 s`, `27.7 s`, `134 s` */
export function secondsText(seconds: number): string {
  if (Math.abs(seconds) < 0.9995) return `${Math.round(seconds * 1000)} ms`
  return `${Math.abs(seconds) < 100 ? seconds.toFixed(1) : count(seconds)} s`
}

/** `10.4 %` */
export function shareText(part: number, whole: number): string {
  if (whole <= 0) return '0 %'
  const percent = (part / whole) * 100
  if (percent > 0 && percent < 0.1) return '< 0.1 %'
  return `${percent < 10 ? percent.toFixed(1) : percent.toFixed(0)} %`
}

function trimmed(value: number): string {
  return value < 99.95 ? value.toFixed(1) : count(value)
}
