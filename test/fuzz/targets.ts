/** Every harness by its name on the command line; the C++ one is in event-buffer.ts. */
import assert from 'node:assert/strict'
import { formatRecord, parseRecord, RecordError } from '../../shared/record.ts'
import { gzipReader, paxReader, tarReader, tocBlob, tocJson } from './layer-targets.ts'
import { frameDecoder, messageValidator } from './protocol-targets.ts'
import { sampleRecord } from './sample-record.ts'
import type { FuzzTarget } from './target.ts'
import { tocEntries, zstdChunkedBlob } from './toc-targets.ts'

const recordReader: FuzzTarget = {
  corpus: () => [Buffer.from(formatRecord(sampleRecord))],
  dictionary: [
    ...[
      '"schemaVersion":1',
      '"path":',
      '"pathBase64":',
      '"kinds":[',
      '"phase":"run"',
      '"complete":true',
      '"counters":{',
    ],
    ...[
      'null',
      '[]',
      '{}',
      '-1',
      '1e308',
      '0.5',
      '9007199254740993',
      '"__proto__":',
      '"read"',
      '"exec"',
      '\n',
      ',',
      '\0',
      '\xff',
    ],
  ],
  inputBytesMax: 16 * 1024,
  isRefusal: (error) => error instanceof RecordError,
  run: (input) => {
    const record = parseRecord(input.toString('utf8'))
    assert.deepEqual(parseRecord(formatRecord(record)), record)
    return `${Math.min(record.entries.length, 20)} entries`
  },
}

export const TARGETS: Record<string, FuzzTarget> = {
  'frame-decoder': frameDecoder,
  'message-validator': messageValidator,
  'tar-reader': tarReader,
  'pax-reader': paxReader,
  'gzip-reader': gzipReader,
  'toc-blob': tocBlob,
  'toc-json': tocJson,
  'toc-entries': tocEntries,
  'zstdchunked-blob': zstdChunkedBlob,
  'record-reader': recordReader,
}
