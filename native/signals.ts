/** Signals for a program that runs another one. */
import { loadAddon } from './addon.ts'

interface SignalsBinding {
  forwardSignals(pid: number): void
  endBySignal(signal: number): void
}

/**
 * Passes on to process `pid` what is sent to this process: HUP, INT, QUIT, USR1, USR2, TERM and WINCH. What the terminal
 * sends is not passed on, since it sends it to the whole foreground group. Takes the place of Node's handlers.
 */
export function forwardSignals(pid: number): void {
  loadAddon<SignalsBinding>().forwardSignals(pid)
}

/** Signals do again what they do by default. */
export function endForwarding(): void {
  loadAddon<SignalsBinding>().forwardSignals(0)
}

/** Ends this process the way `signal` (its number) does, without a core dump. Returns if that signal ends nothing. */
export function endBySignal(signal: number): void {
  loadAddon<SignalsBinding>().endBySignal(signal)
}
