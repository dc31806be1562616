/** Figure: when which process read files of the image for the first time, and how many bytes that made. */
import { scaleLinear } from 'd3-scale'
import { area, curveStepAfter, line } from 'd3-shape'
import type { RecordHeader } from '../../shared/record.ts'
import { escaped, shortened } from './escape.ts'
import { bothSizes, CHARACTER_PIXELS, charactersIn, type FigureSize } from './figure-size.ts'
import { bytesText, secondsText } from './format.ts'
import type { ReadFile } from './read-files.ts'

const CURVE_PIXELS = 240
const LANE_PIXELS = 22
const AXIS_PIXELS = 26
const TOP_PIXELS = 30
const LANES_MAX = 7
/** Files that are named where the curve rises by them. */
const NAMED_MAX = 4
const NAMED_LEAST_SHARE = 0.06
const OTHERS = 'others'

interface Access {
  seconds: number
  file: ReadFile
  /** Of all files until then, this one included. */
  sumBytes: number
}

interface Frame {
  size: FigureSize
  left: number
  right: number
  bottom: number
  x: (seconds: number) => number
  y: (bytes: number) => number
}

/** @returns '' where the record has no times */
export function timelineFigure(files: readonly ReadFile[], header: RecordHeader | null): string {
  const accesses = accessesOf(files)
  const last = accesses.at(-1)
  if (header === null || last === undefined) return ''
  const lanes = lanesOf(accesses)
  return bothSizes('First accesses of the image’s files over the run', (size) => {
    const frame = frameOf(size, accesses, header)
    const curveBottom = frame.bottom
    const heightPixels = curveBottom + AXIS_PIXELS + lanes.length * LANE_PIXELS + 6
    const marks = [
      yAxis(frame, last.sumBytes),
      curve(frame, accesses),
      xAxis(frame),
      moments(frame, header, curveBottom + AXIS_PIXELS + lanes.length * LANE_PIXELS),
      names(frame, accesses),
      ...lanes.map((lane, index) => drawLane(frame, lane, curveBottom + AXIS_PIXELS + index * LANE_PIXELS)),
    ]
    return { heightPixels, marks: marks.join('') }
  })
}

/** Of files whose time is known. What a second workload's runtime reads before its start may come before the end of the first. */
function accessesOf(files: readonly ReadFile[]): Access[] {
  let sumBytes = 0
  return files
    .flatMap((file) => (file.atSeconds === null ? [] : { seconds: file.atSeconds, file }))
    .sort((one, other) => one.seconds - other.seconds)
    .map(({ seconds, file }) => {
      sumBytes += file.sizeBytes
      return { seconds, file, sumBytes }
    })
}

function frameOf(size: FigureSize, accesses: readonly Access[], header: RecordHeader): Frame {
  const narrow = size.name === 'narrow'
  const [left, right] = narrow ? [4, size.widthPixels - 4] : [92, size.widthPixels - 8]
  const bottom = TOP_PIXELS + CURVE_PIXELS
  const times = accesses.map(({ seconds }) => seconds)
  const first = Math.min(0, ...times.slice(0, 1))
  const end = Math.max(header.stop.readySeconds ?? 0, header.durationSeconds, times.at(-1) ?? 0, 0.001)
  const x = scaleLinear([first, end], [left, right])
  const y = scaleLinear([0, accesses.at(-1)?.sumBytes ?? 1], [bottom, TOP_PIXELS])
  return { size, left, right, bottom, x, y }
}

function yAxis({ y, left, right, size }: Frame, most: number): string {
  const ticks = scaleLinear([0, most], [0, 1]).ticks(4)
  return ticks
    .filter((bytes) => bytes > 0)
    .map((bytes) => {
      const at = round(y(bytes))
      const text = bytesText(bytes)
      const label =
        size.name === 'narrow'
          ? `<text class="axis halo" x="${left}" y="${at - 3}">${text}</text>`
          : `<text class="axis end" x="${left - 8}" y="${at + 4}">${text}</text>`
      return `<line class="grid" x1="${left}" x2="${right}" y1="${at}" y2="${at}"/>${label}`
    })
    .join('')
}

function xAxis({ x, left, right, bottom, size }: Frame): string {
  const [first, end] = [inverse(x, left, right, left), inverse(x, left, right, right)]
  const ticks = scaleLinear([first, end], [left, right]).ticks(size.name === 'narrow' ? 4 : 8)
  const marks = ticks.map((seconds, index) => {
    const at = round(x(seconds))
    const anchor = at < left + 16 ? '' : at > right - 16 ? ' end' : ' middle'
    const text = index === ticks.length - 1 ? `${plain(seconds)} s` : plain(seconds)
    return `<line class="tick" x1="${at}" x2="${at}" y1="${bottom}" y2="${bottom + 4}"/><text class="axis${anchor}" x="${at}" y="${bottom + 17}">${text}</text>`
  })
  return `<line class="base" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>${marks.join('')}`
}

function curve({ x, y, right, bottom }: Frame, accesses: readonly Access[]): string {
  const points: [number, number][] = [[x(accesses[0]?.seconds ?? 0), bottom]]
  for (const { seconds, sumBytes } of accesses) {
    const point: [number, number] = [round(x(seconds)), round(y(sumBytes))]
    const before = points.at(-1)
    // Of all that happens within a pixel only the end is seen.
    if (before !== undefined && points.length > 1 && before[0] === point[0]) points[points.length - 1] = point
    else points.push(point)
  }
  points.push([right, points.at(-1)?.[1] ?? bottom])
  const filled = area<[number, number]>(
    (point) => point[0],
    bottom,
    (point) => point[1],
  ).curve(curveStepAfter)
  const drawn = line<[number, number]>(
    (point) => point[0],
    (point) => point[1],
  ).curve(curveStepAfter)
  return `<path class="curve-area" d="${filled(points) ?? ''}"/><path class="curve" d="${drawn(points) ?? ''}"/>`
}

function moments({ x, left, right }: Frame, { stop, durationSeconds }: RecordHeader, bottom: number): string {
  const rule = (seconds: number, text: string, style: string, row: number) => {
    const at = round(x(seconds))
    const toLeft = at > (left + right) / 2
    const label = `<text class="moment ${style}${toLeft ? ' end' : ''}" x="${at + (toLeft ? -5 : 5)}" y="${10 + row * 13}">${text}</text>`
    return `<line class="moment ${style}" x1="${at}" x2="${at}" y1="2" y2="${bottom}"/>${label}`
  }
  const { readySeconds } = stop
  return [
    x(0) > left + 2 ? rule(0, 'starts', 'start', 0) : '',
    readySeconds === null ? '' : rule(readySeconds, `ready, ${secondsText(readySeconds)}`, 'ready', 0),
    rule(durationSeconds, `end, ${secondsText(durationSeconds)}`, 'stop', 1),
  ].join('')
}

/** The largest, where there is room for their names. */
function names({ x, y, right, size }: Frame, accesses: readonly Access[]): string {
  const all = accesses.at(-1)?.sumBytes ?? 0
  const large = accesses
    .filter(({ file }) => file.sizeBytes >= all * NAMED_LEAST_SHARE)
    .toSorted((one, other) => other.file.sizeBytes - one.file.sizeBytes)
  const taken: number[] = []
  const marks: string[] = []
  for (const { file, sumBytes, seconds } of large) {
    const at = round(y(sumBytes - file.sizeBytes / 2))
    if (marks.length === NAMED_MAX || taken.some((other) => Math.abs(other - at) < 15)) continue
    taken.push(at)
    const from = round(x(seconds))
    const room = size.name === 'narrow' ? 22 : 48
    const name = shortened(file.path.split('/').at(-1) ?? '', Math.min(room, charactersIn(right - 40) - 10))
    const toLeft = right - from < (name.length + 12) * CHARACTER_PIXELS
    const [end, anchor] = toLeft ? [from - 6, ' end'] : [from + 6, '']
    marks.push(
      `<text class="note halo${anchor}" x="${end}" y="${at + 4}">${escaped(name)}, ${bytesText(file.sizeBytes)}</text>`,
    )
  }
  return marks.join('')
}

interface Lane {
  name: string
  accesses: Access[]
}

/** Those that have read most files; the rest together. */
function lanesOf(accesses: readonly Access[]): Lane[] {
  const byName = new Map<string, Access[]>()
  for (const access of accesses) {
    const name = access.file.process ?? '(ended)'
    const known = byName.get(name)
    if (known === undefined) byName.set(name, [access])
    else known.push(access)
  }
  const lanes = [...byName].map(([name, own]) => ({ name, accesses: own }))
  lanes.sort((one, other) => other.accesses.length - one.accesses.length)
  if (lanes.length <= LANES_MAX) return lanes
  const kept = lanes.slice(0, LANES_MAX - 1)
  return [...kept, { name: OTHERS, accesses: lanes.slice(LANES_MAX - 1).flatMap((lane) => lane.accesses) }]
}

function drawLane({ x, left, right, size }: Frame, { name, accesses }: Lane, top: number): string {
  const pixels = [...new Set(accesses.map(({ seconds }) => Math.round(x(seconds))))].sort((a, b) => a - b)
  const ticks = pixels.map((at) => `M${at} ${top + 5}v${LANE_PIXELS - 8}`).join('')
  const text = escaped(shortened(name, size.name === 'narrow' ? 24 : 13))
  const label =
    size.name === 'narrow'
      ? `<text class="lane halo end" x="${right}" y="${top + 15}">${text}</text>`
      : `<text class="lane end" x="${left - 8}" y="${top + 15}">${text}</text>`
  return `<line class="grid" x1="${left}" x2="${right}" y1="${top + LANE_PIXELS - 3}" y2="${top + LANE_PIXELS - 3}"/><path class="rug" d="${ticks}"/>${label}`
}

/** The value at a pixel of a linear scale. */
function inverse(x: (value: number) => number, left: number, right: number, pixel: number): number {
  const [zero, one] = [x(0), x(1)]
  return one === zero ? 0 : (Math.min(Math.max(pixel, left), right) - zero) / (one - zero)
}

function plain(value: number): string {
  return String(Number(value.toFixed(3)))
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
