/** A headless Chromium of the machine or of `bin/setup --test`, with nothing of anybody's in it. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type BrowserContext, chromium } from 'playwright-core'

/** Of a launch, and of each step: a busy machine takes its time. */
const TIMEOUT_MS = 120_000
/** It looks for nothing in any network. */
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

function chromiumPath(): string | undefined {
  const candidates = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'chromium'))
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Why there can be none, or false. */
export function lackOfChromium(): string | false {
  return chromiumPath() === undefined ? 'there is no chromium (bin/setup --test)' : false
}

/** @param profile a folder that is made for it */
export async function openBrowser(profile: string): Promise<BrowserContext> {
  const executablePath = chromiumPath()
  if (executablePath === undefined) throw new Error('there is no chromium')
  const options = { executablePath, headless: true, args: ARGUMENTS, timeout: TIMEOUT_MS }
  const browser = await chromium.launchPersistentContext(profile, options)
  browser.setDefaultTimeout(TIMEOUT_MS)
  return browser
}
