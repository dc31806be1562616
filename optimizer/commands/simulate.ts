import type { Argv } from 'yargs'
import { UsageError } from '../../shared/errors.ts'
import { parseLocation } from '../image/location.ts'
import type { Fleet } from '../simulate/fleet.ts'
import { LINKS, type Link, link } from '../simulate/link.ts'
import { addAnalysisOptions, analysisOptions } from './analysis-options.ts'
import type { Arguments, Command } from './command.ts'
import { LOCATION_FORMS, positional, repeated, single } from './common-options.ts'
import { TITLES } from './titles.ts'
import { bitRate, integerBetween, invalidOption } from './values.ts'

const REPLICAS_MAX = 1_000_000

export const simulateCommand: Command = {
  ...TITLES.simulate,
  examples: [
    {
      command: 'optimizer simulate oci:python:esgz --record-in python.jsonl',
      describe: 'how soon the image is up over three links, pulled in full and lazily',
    },
    {
      command:
        'optimizer simulate registry.example/python:3-esgz --record-in python.jsonl --link 1Gbit,1ms --replicas 1000 --registry-bandwidth 10Gbit',
      describe: 'a thousand machines that start it at once',
    },
  ],
  builder: (yargs) =>
    addAnalysisOptions(addOwnOptions(yargs)).positional('image', {
      type: 'string',
      describe: `the image: ${LOCATION_FORMS}`,
    }),

  async run(argv, context) {
    const location = parseLocation('image', positional(argv, 'image'))
    const request = { location, ...analysisOptions(argv) }
    if (request.records.length === 0)
      throw new UsageError(
        'RECORD_NEEDED',
        'a start is predicted from what the workload reads: give its record with --record-in (optimizer record makes one)',
      )
    const links = linksOption(argv)
    const fleet = fleetOption(argv)
    const { analyseImage } = await import('../analyse-image.ts')
    const { simulationResult, formatSimulation } = await import('../simulation-result.ts')
    const analysis = await analyseImage(request, context)
    const result = simulationResult(analysis, links, fleet)
    return argv.json === true ? `${JSON.stringify(result, null, 2)}\n` : formatSimulation(result)
  },
}

function addOwnOptions(yargs: Argv): Argv {
  return yargs
    .option('link', {
      group: 'Simulation:',
      type: 'string',
      array: true,
      describe: 'bandwidth and round trip between registry and machine, as 100Mbit,20ms (repeatable)',
      defaultDescription: LINKS.map(({ title }) => title).join('; '),
    })
    .option('replicas', {
      group: 'Simulation:',
      type: 'string',
      describe: 'so many machines that start the image at the same moment',
    })
    .option('registry-bandwidth', {
      group: 'Simulation:',
      type: 'string',
      describe: 'what the registry can send in all, as 10Gbit; with --replicas',
    })
}

function linksOption(argv: Arguments): readonly Link[] {
  const texts = repeated(argv, 'link')
  return texts.length === 0 ? LINKS : texts.map(parseLink)
}

const ROUND_TRIP_SECONDS_MAX = 60

function parseLink(text: string): Link {
  const [rate = '', trip = '', ...others] = text.split(',')
  const match = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(trip.trim())
  const seconds = match === null ? Number.NaN : Number(match[1]) * (match[2] === 'ms' ? 0.001 : 1)
  const bits = bitRate(rate)
  if (others.length === 0 && bits !== undefined && seconds <= ROUND_TRIP_SECONDS_MAX)
    return link(bits, seconds)
  throw invalidOption('link', text, 'write bandwidth and round trip, for example 100Mbit,20ms')
}

function fleetOption(argv: Arguments): Fleet | null {
  const [replicas, bandwidth] = [single(argv, 'replicas'), single(argv, 'registry-bandwidth')]
  if (replicas === undefined && bandwidth === undefined) return null
  if (replicas === undefined || bandwidth === undefined)
    throw new UsageError(
      'OPTIONS_BELONG_TOGETHER',
      '--replicas and --registry-bandwidth belong together: give both or none',
    )
  const registryBitsPerSecond = bitRate(bandwidth)
  if (registryBitsPerSecond === undefined)
    throw invalidOption('registry-bandwidth', bandwidth, 'write a bandwidth, for example 10Gbit')
  return { replicas: integerBetween('replicas', replicas, 1, REPLICAS_MAX), registryBitsPerSecond }
}
