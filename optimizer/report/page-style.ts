/** The page's style sheet: a serif to read, a sans serif for figures; one warm colour for what a start needs. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fffdf9; --ink: #1c1a17; --soft: #5f5a52; --rule: #d9d3c7; --faint: #ece7dc;
  --first: #b83a2b; --on-first: #fff; --late: #23558a; --on-late: #fff;
  --idle: #e3a08f; --on-idle: #2b130d; --cold: #e6e0d3; --on-cold: #4d483f; --toc: #8f8778; --on-toc: #fff;
  --pull: #9aa5b1; --run: #23558a; --area: #f3d9d2;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #171614; --ink: #ece8e0; --soft: #aaa397; --rule: #413d36; --faint: #2a2723;
    --first: #e0614c; --on-first: #1b0703; --late: #79aee3; --on-late: #06121e;
    --idle: #7d4439; --on-idle: #fbe9e4; --cold: #3d3932; --on-cold: #c2bbae; --toc: #8f8778; --on-toc: #14120f;
    --pull: #68727d; --run: #79aee3; --area: #4a261f;
  }
}
* { box-sizing: border-box; }
html { background: var(--paper); color: var(--ink); -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 1088px; padding: 24px 24px 64px; font: 17px/1.5 Charter, 'Bitstream Charter', Georgia, 'Times New Roman', serif; }
header { border-top: 4px solid var(--ink); padding-top: 10px; }
.kicker { margin: 0; font: 600 13px/1.4 'Helvetica Neue', Helvetica, Arial, 'Noto Sans', 'DejaVu Sans', sans-serif; color: var(--first); }
h1 { margin: 4px 0 10px; font-size: 34px; line-height: 1.15; overflow-wrap: anywhere; }
h2 { margin: 0; font-size: 22px; line-height: 1.25; }
h3 { margin: 18px 0 2px; font: 600 14px/1.4 'Helvetica Neue', Helvetica, Arial, 'Noto Sans', 'DejaVu Sans', sans-serif; }
.lead { margin: 0 0 18px; max-width: 44em; font-size: 20px; line-height: 1.45; }
.about { margin: 4px 0 12px; max-width: 46em; color: var(--soft); font-size: 16px; }
section { margin-top: 44px; border-top: 1px solid var(--ink); padding-top: 10px; }
.pair { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 3fr); column-gap: 40px; }
.pair section { min-width: 0; }
small { color: var(--soft); font-size: 13px; }
code, .path { font: 13px/1.45 ui-monospace, 'SFMono-Regular', Menlo, 'DejaVu Sans Mono', monospace; overflow-wrap: anywhere; }
bdi { unicode-bidi: isolate; }
.alarm { color: var(--first); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)); gap: 8px 32px; margin: 0; font: 14px/1.45 'Helvetica Neue', Helvetica, Arial, 'Noto Sans', 'DejaVu Sans', sans-serif; }
.facts div { border-top: 1px solid var(--rule); padding-top: 5px; min-width: 0; overflow-wrap: anywhere; }
dt { color: var(--soft); }
dd { margin: 0; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 20px; margin: 0 0 10px; padding: 0; list-style: none; font: 13px/1.5 'Helvetica Neue', Helvetica, Arial, 'Noto Sans', 'DejaVu Sans', sans-serif; color: var(--soft); }
.key { vertical-align: -1px; }
.warnings { margin: 0; padding-left: 1.1em; max-width: 46em; overflow-wrap: anywhere; }
svg.wide, svg.narrow { display: block; width: 100%; height: auto; }
svg.narrow { display: none; }
svg text { font: 11px 'Helvetica Neue', Helvetica, Arial, 'Noto Sans', 'DejaVu Sans', sans-serif; fill: var(--ink); unicode-bidi: isolate; }
.first { fill: var(--first); } .late { fill: var(--late); } .idle { fill: var(--idle); } .cold { fill: var(--cold); } .toc { fill: var(--toc); }
.pull { fill: var(--pull); } .run { fill: var(--run); }
svg text.on-first { fill: var(--on-first); } svg text.on-late { fill: var(--on-late); }
svg text.on-idle { fill: var(--on-idle); } svg text.on-cold { fill: var(--on-cold); }
svg text.layer-name { font-weight: 600; font-size: 13px; }
svg text.folder-name { fill: var(--soft); }
svg text.axis, svg text.lane { fill: var(--soft); font-size: 12px; }
svg text.lane { fill: var(--ink); }
svg text.end { text-anchor: end; } svg text.middle { text-anchor: middle; }
svg text.moment { font-size: 12px; font-weight: 600; }
svg text.moment.stop, svg text.moment.start { font-weight: 400; fill: var(--soft); }
svg text.halo { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
.grid { stroke: var(--rule); stroke-width: 1; } .base, .tick { stroke: var(--ink); stroke-width: 1; }
line.moment { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 3 3; } line.moment.ready { stroke-dasharray: none; }
line.moment.start, line.moment.stop { stroke: var(--soft); }
.curve { fill: none; stroke: var(--first); stroke-width: 2; stroke-linejoin: round; } .curve-area { fill: var(--area); }
.rug { stroke: var(--run); stroke-width: 1; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--run); outline-offset: 2px; }
table { width: 100%; border-collapse: collapse; font: 14px/1.4 'Helvetica Neue', Helvetica, Arial, 'Noto Sans', 'DejaVu Sans', sans-serif; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 400; }
thead th { color: var(--soft); font-size: 13px; border-bottom: 1px solid var(--ink); vertical-align: bottom; }
th, td { padding: 4px 14px 4px 0; border-bottom: 1px solid var(--rule); vertical-align: baseline; }
th:last-child, td:last-child { padding-right: 0; }
.number { text-align: right; white-space: nowrap; }
.number .name { white-space: normal; overflow-wrap: anywhere; }
.wide-cell { width: 42%; min-width: 90px; vertical-align: middle; }
.bar { display: block; width: 100%; height: 16px; }
.pair .wide-cell { width: 24%; min-width: 60px; }
#all-files .path { overflow-wrap: anywhere; }
#all-files th[scope="row"] { color: var(--soft); }
#search-field { font: 14px/1.5 'Helvetica Neue', Helvetica, Arial, 'Noto Sans', 'DejaVu Sans', sans-serif; }
input { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--soft); padding: 4px 8px; width: min(320px, 100%); }
footer { margin-top: 48px; border-top: 1px solid var(--rule); padding-top: 8px; font: 13px/1.5 'Helvetica Neue', Helvetica, Arial, 'Noto Sans', 'DejaVu Sans', sans-serif; color: var(--soft); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 700px) {
  body { padding: 16px 16px 48px; font-size: 16px; }
  h1 { font-size: 26px; } .lead { font-size: 18px; }
  svg.wide { display: none; } svg.narrow { display: block; }
  table { font-size: 13px; } th, td { padding-right: 8px; }
  .wide-cell { width: 26%; min-width: 56px; } .pair { display: block; } .aside { display: none; }
}
@page { margin: 14mm; }
@media print {
  :root { color-scheme: light; }
  html, body { background: #fff; color: #000; }
  body { max-width: none; padding: 0; font-size: 11pt; }
  section { break-inside: avoid; } #files { break-inside: auto; }
  section:has(#files), section:has(#starts) { break-inside: auto; }
  tr { break-inside: avoid; }
  #search-field { display: none; }
  svg.wide { display: block; } svg.narrow { display: none; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  .scroll { overflow: visible; }
}
`
