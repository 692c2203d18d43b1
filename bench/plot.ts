import type { Row } from './results.ts';

const rowHeight = 22;
const left = 420;
const width = 1000;
const farthest = 2;

/**
 * The ratios of ours to the best other tool as an SVG: a bar for each job, the line is where both are equally fast. Bars that
 * do not fit end at the border; the number says how long they would be.
 */
export function plotOf(rows: readonly Row[]): string {
  const bars = rows.flatMap((row) => (row.ours && row.wallRatio !== undefined ? [{ row, ratio: row.wallRatio }] : []));
  const height = (bars.length + 2) * rowHeight;
  const x = (ratio: number): number => left + ((width - left - 60) * Math.min(ratio, farthest)) / farthest;
  const lines = bars.map(({ row, ratio }, index) => {
    const y = (index + 1) * rowHeight;
    const label = escaped(`${row.job}, ${row.subject}${row.durable === true ? ' (flushed)' : ''}`);
    const colour = ratio <= 1 ? '#2e7d32' : '#b26a00';
    return [
      `<text x="${left - 8}" y="${y + 15}" text-anchor="end">${label}</text>`,
      `<rect x="${left}" y="${y + 3}" width="${(x(ratio) - left).toFixed(1)}" height="${rowHeight - 6}" fill="${colour}"/>`,
      `<text x="${(x(ratio) + 6).toFixed(1)}" y="${y + 15}">${ratio.toFixed(2)}</text>`,
    ].join('\n');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    '<title>How long each job took, as a multiple of the fastest other tool</title>',
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<text x="${left}" y="15">wall time, as a multiple of the fastest other tool that promises the same</text>`,
    ...lines,
    `<line x1="${x(1)}" x2="${x(1)}" y1="${rowHeight}" y2="${height - rowHeight / 2}" stroke="black" stroke-dasharray="4 3"/>`,
    '</svg>',
    '',
  ].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
