/** A model's report as one page that needs nothing else: no scripts, no fonts, no network; it prints as it is seen. */
import type { Section } from '#scripts/model-report/section.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

const STYLE = `
body { font: 15px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; color: #1c2733; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
p { margin: .2rem 0; color: #43525f; } code { font-size: .8rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: .5rem 0; } th, td { padding: .2rem .7rem .2rem 0; text-align: left; vertical-align: top; }
th { border-bottom: 1px solid #8b98a3; font-weight: 600; } td { border-bottom: 1px solid #e3e8ec; }
.right { text-align: right; font-variant-numeric: tabular-nums; } svg { display: block; margin: .5rem 0; max-width: 100%; height: auto; }
section { break-inside: avoid; } @media print { body { margin: 0; max-width: none; font-size: 11px; } }`;

export function modelPage(title: string, root: string, sections: readonly Section[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escape(title)}</h1>
<code>${escape(root)}</code>
${sections.map(drawSection).join('\n')}
</body>
</html>
`;
}

function drawSection({ title, lines = [], table, bars, diagonal }: Section): string {
  return `<section>
${title === undefined ? '' : `<h2>${escape(title)}</h2>`}
${lines.map((line) => `<p>${escape(line)}</p>`).join('\n')}
${diagonal === undefined ? '' : drawDiagonal(diagonal)}
${bars === undefined ? '' : drawBars(bars)}
${table === undefined ? '' : drawTable(table)}
</section>`;
}

function drawTable({ head, rows, right }: NonNullable<Section['table']>): string {
  const cells = (texts: readonly string[], tag: 'th' | 'td'): string =>
    texts
      .map((text, j) => `<${tag}${right.includes(j) ? ' class="right"' : ''}>${escape(text)}</${tag}>`)
      .join('');
  return `<table><thead><tr>${cells(head, 'th')}</tr></thead><tbody>
${rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('\n')}
</tbody></table>`;
}

const BARS_MAX = 30;
const LABEL = 260;
const LENGTH = 300;
const LINE = 22;

/** Blue lowers, orange raises: red and green mean different things in different markets. */
function drawBars({ title, bars }: NonNullable<Section['bars']>): string {
  const shown = bars.slice(0, BARS_MAX);
  const most = Math.max(...shown.map(({ value }) => Math.abs(value)), Number.MIN_VALUE);
  const isSigned = shown.some(({ value }) => value < 0);
  const zero = LABEL + (isSigned ? LENGTH / 2 : 0);
  const scale = (isSigned ? LENGTH / 2 : LENGTH) / most;
  const drawn = shown.map(({ label, value }, i) => {
    const length = Math.abs(value) * scale;
    const x = value < 0 ? zero - length : zero;
    return `<text x="${LABEL - 8}" y="${i * LINE + 15}" text-anchor="end">${escape(shorten(label))}</text><rect x="${x.toFixed(1)}" y="${i * LINE + 4}" width="${length.toFixed(1)}" height="${LINE - 8}" fill="${value < 0 ? '#2f6fb0' : '#d9822b'}"><title>${escape(label)}: ${value.toPrecision(3)}</title></rect>`;
  });
  const height = shown.length * LINE;
  return `<svg viewBox="0 0 ${LABEL + LENGTH + 10} ${height}" width="${LABEL + LENGTH + 10}" role="img" aria-label="${escape(title)}" font-size="12" fill="#1c2733"><line x1="${zero}" y1="0" x2="${zero}" y2="${height}" stroke="#8b98a3"/>${drawn.join('')}</svg>`;
}

const SIDE = 300;
const EDGE = 40;

function drawDiagonal({ title, points }: NonNullable<Section['diagonal']>): string {
  const most = Math.max(...points.flatMap(({ predicted, observed }) => [predicted, observed]), 0.01) * 1.05;
  const rows = Math.max(...points.map((point) => point.rows), 1);
  const at = (value: number): number => (value / most) * SIDE;
  const dots = points.map(
    (point) =>
      `<circle cx="${(EDGE + at(point.predicted)).toFixed(1)}" cy="${(EDGE / 2 + SIDE - at(point.observed)).toFixed(1)}" r="${(3 + 5 * Math.sqrt(point.rows / rows)).toFixed(1)}" fill="#2f6fb0" fill-opacity=".7"><title>mean PD ${point.predicted.toFixed(4)}, bad rate ${point.observed.toFixed(4)}, ${point.rows} rows</title></circle>`,
  );
  const [left, top, bottom] = [EDGE, EDGE / 2, EDGE / 2 + SIDE];
  return `<svg viewBox="0 0 ${SIDE + 2 * EDGE} ${SIDE + 1.5 * EDGE}" width="${SIDE + 2 * EDGE}" role="img" aria-label="${escape(title)}" font-size="12" fill="#1c2733"><rect x="${left}" y="${top}" width="${SIDE}" height="${SIDE}" fill="none" stroke="#8b98a3"/><line x1="${left}" y1="${bottom}" x2="${left + SIDE}" y2="${top}" stroke="#8b98a3" stroke-dasharray="4 4"/>${dots.join('')}<text x="${left + SIDE / 2}" y="${bottom + 28}" text-anchor="middle">mean PD</text><text x="${left + SIDE}" y="${bottom + 14}" text-anchor="end">${most.toFixed(2)}</text><text x="${left - 6}" y="${top + 10}" text-anchor="end">${most.toFixed(2)}</text><text x="12" y="${top + SIDE / 2}" text-anchor="middle" transform="rotate(-90 12 ${top + SIDE / 2})">bad rate</text></svg>`;
}

function shorten(label: string): string {
  const characters = Array.from(label);
  return characters.length > 36 ? `${characters.slice(0, 35).join('')}…` : label;
}

function escape(text: string): string {
  return inert(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
